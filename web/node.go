package web

import (
	"bytes"
	"context"

	"photon/contracts"
	"photon/web/api"
)

// ShowHealth says that the process lives.
func (s *server) ShowHealth(context.Context, api.ShowHealthRequestObject) (api.ShowHealthResponseObject, error) {
	return api.ShowHealth200JSONResponse{Status: api.HealthStatusOk}, nil
}

// ShowReady says whether the node can serve. Anybody may ask and asks often, so
// that the reason goes to the log, once.
func (s *server) ShowReady(ctx context.Context, _ api.ShowReadyRequestObject) (api.ShowReadyResponseObject, error) {
	if err := s.Status.Ready(ctx); err != nil {
		if s.notReady.more() {
			s.Log.Warn("not ready", "err", err)
		}
		return nil, errNotReady
	}
	if s.notReady.none() {
		s.Log.Info("ready again")
	}
	return api.ShowReady200JSONResponse{Status: api.HealthStatusOk}, nil
}

// ShowInfo says who this node is.
func (s *server) ShowInfo(ctx context.Context, _ api.ShowInfoRequestObject) (api.ShowInfoResponseObject, error) {
	heads, err := s.Status.Heads(ctx)
	if err != nil {
		return nil, err
	}
	account, err := s.Peers.Account(ctx, s.Peers.Self())
	if err != nil {
		return nil, err
	}
	info := api.ShowInfo200JSONResponse{
		Version: s.Version, Realm: s.Realm, Mode: api.InfoMode(s.Status.Mode()), Identity: s.Peers.Self(), Account: account.Hex(),
		Features: append([]string{}, s.Features...), Addresses: append([]string{}, s.Peers.Addresses()...),
		Heads: []api.ChainHead{},
	}
	for _, chain := range contracts.Chains {
		if head, ok := heads[chain]; ok {
			info.Heads = append(info.Heads, api.ChainHead{Chain: chain, Head: head})
		}
	}
	return info, nil
}

// ShowMetrics gives the figures for Prometheus.
func (s *server) ShowMetrics(context.Context, api.ShowMetricsRequestObject) (api.ShowMetricsResponseObject, error) {
	return shownFigures{s.Metrics}, nil
}

// ShowDocument gives the document that all this follows.
func (s *server) ShowDocument(context.Context, api.ShowDocumentRequestObject) (api.ShowDocumentResponseObject, error) {
	return api.ShowDocument200ApplicationyamlResponse{Body: bytes.NewReader(document), ContentLength: int64(len(document))}, nil
}
