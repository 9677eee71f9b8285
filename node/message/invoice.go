package message

import "photon/contracts"

// An Invoice asks for a payment. Its signature makes it, with the secret of Hash, a
// receipt.
type Invoice struct {
	Asset     contracts.Asset     `json:"asset"`
	Payee     contracts.Address   `json:"payee"`
	Amount    contracts.Amount    `json:"amount"`
	Hash      contracts.Hash      `json:"hash"`      // SHA-256 of the secret; the invoice's id
	Expiry    uint64              `json:"expiry"`    // Unix second from which it is not paid any more
	Text      string              `json:"text"`      // at most MaxText bytes
	Signature contracts.Signature `json:"signature"` // of the payee
}
