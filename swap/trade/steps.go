package trade

import "photon/contracts"

// A Step is one line of a trade's life as a person reads it. The page, the CLI
// and the API show it as it is and compute nothing about safety themselves.
type Step struct {
	Name          string           `json:"name"`   // "agreed", "first_lock", "second_lock", "your_receipt", "their_receipt", "refund"
	Actor         string           `json:"actor"`  // "you", "them", "both"
	State         string           `json:"status"` // "done", "doing", "waiting", "skipped"
	Chain         contracts.Chain  `json:"chain,omitempty"`
	TxID          *contracts.Hash  `json:"txid,omitempty"`
	Confirmations uint64           `json:"confirmations"`
	Required      uint64           `json:"required"`
	OpensAt       uint64           `json:"opens_at,omitempty"`    // Unix seconds
	DeadlineAt    uint64           `json:"deadline_at,omitempty"` // Unix seconds
	Fee           contracts.Amount `json:"fee"`                   // network fee paid, of the chain's coin
}

// A Draft is what a maker says of an offer; the desk adds the rest and signs.
type Draft struct {
	Give, Want        contracts.Asset
	Min, Max          contracts.Amount // of Give
	GiveOf, WantOf    contracts.Amount // rate: GiveOf of Give cost WantOf of Want
	Expires           uint64           // Unix seconds
	GiveConfirmations uint64           // 0: the chain's default
	WantConfirmations uint64           // 0: the chain's default
	Form              contracts.Form   // "": P2TR
}

// A Quote is what taking an offer costs, before anything is locked.
type Quote struct {
	ID         contracts.Hash   `json:"id"`
	Offer      contracts.Hash   `json:"offer"`
	Pay        contracts.Asset  `json:"pay"`
	PayAmount  contracts.Amount `json:"payAmount"` // the taker locks this
	Get        contracts.Asset  `json:"get"`
	GetAmount  contracts.Amount `json:"getAmount"` // the taker redeems this, less RedeemFee where they are one coin
	LockFee    contracts.Amount `json:"lockFee"`   // estimates, in the coin of Pay's chain
	RefundFee  contracts.Amount `json:"refundFee"`
	RedeemFee  contracts.Amount `json:"redeemFee"`  // in the coin of Get's chain
	RefundFrom uint64           `json:"refundFrom"` // Unix seconds from which the taker can take Pay back
	RedeemBy   uint64           `json:"redeemBy"`   // Unix seconds
	Expires    uint64           `json:"expires"`    // Unix seconds; taking it later is refused
}

// A Notice is something that a person may want to see as it happens.
type Notice struct {
	Kind  string          `json:"kind"` // "trade", "head", "offer", "alarm"
	Trade *Trade          `json:"trade,omitempty"`
	Chain contracts.Chain `json:"chain,omitempty"`
	Head  *Head           `json:"head,omitempty"`
	Text  string          `json:"text,omitempty"`
}
