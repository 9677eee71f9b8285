package web

import (
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// figures are what /metrics says of the API itself.
type figures struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	panics   prometheus.Counter
	readers  prometheus.Gauge
	dropped  prometheus.Counter
}

func newFigures(registry *prometheus.Registry) (figures, error) {
	f := figures{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "photon_http_requests_total", Help: "Requests answered, by operation and status.",
		}, []string{"operation", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "photon_http_request_seconds", Help: "Time to answer, by operation.",
		}, []string{"operation"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "photon_http_panics_total", Help: "Handlers that panicked.",
		}),
		readers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "photon_event_readers", Help: "Readers of /v1/events now.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "photon_event_readers_dropped_total", Help: "Readers of /v1/events cut off because they were too slow.",
		}),
	}
	for _, c := range []prometheus.Collector{f.requests, f.seconds, f.panics, f.readers, f.dropped} {
		if err := registry.Register(c); err != nil {
			return figures{}, fmt.Errorf("web: metrics: %w", err)
		}
	}
	return f, nil
}

func (f figures) answered(operation string, status int, took time.Duration) {
	f.requests.WithLabelValues(operation, strconv.Itoa(status)).Inc()
	if operation != "StreamEvents" { // it lasts as long as its reader
		f.seconds.WithLabelValues(operation).Observe(took.Seconds())
	}
}

// A tally counts in a row.
type tally struct{ n atomic.Int64 }

// more counts one more and reports whether it is the first.
func (t *tally) more() bool { return t.n.Add(1) == 1 }

// none begins anew and reports whether there had been any.
func (t *tally) none() bool { return t.n.Swap(0) > 0 }

// A shownFigures is the answer of /metrics.
type shownFigures struct{ from prometheus.Gatherer }

// VisitShowMetricsResponse writes the figures as text.
func (m shownFigures) VisitShowMetricsResponse(w http.ResponseWriter) error {
	r, err := http.NewRequest(http.MethodGet, "/metrics", nil)
	if err != nil {
		return err
	}
	promhttp.HandlerFor(m.from, promhttp.HandlerOpts{DisableCompression: true}).ServeHTTP(w, r)
	return nil
}
