package contracts

// Gas limits for HashLock.sol, enough under the rules of Ethereum (Osaka) and of
// Spectrum, so that nobody has to show a secret to a node to ask for an estimate.
// A chain takes only what is used; gas_test.go prints that, and holds these
// limits. They are made of
//
//   - the call itself, before the refund for a deleted slot, which the limit must
//     cover although it is given back: 32,000 to 49,000
//   - a payee who is new on the chain (25,000) or is a contract (40,000)
//   - a token's own work, which only the token bounds: 150,000
//
// A contract that wants more when it is paid has [Swap.RefundToCall] and
// [SignedClaim].
const (
	callGas  = 65_000
	payeeGas = 65_000
	tokenGas = 150_000

	batchGas      = 30_000 // of any batch
	batchLockGas  = 40_000 // of each of its locks, beside the token's
	batchClaimGas = 40_000 // of each of its redeems and refunds, beside the payee's and the token's

	signatureGas = 25_000 // of a signed claim, beside its second payment
)

// HashLockDeployGas and TestTokenDeployGas are enough to create the contracts.
const (
	HashLockDeployGas  = 2_200_000
	TestTokenDeployGas = 1_500_000
)

// SendGas is enough to send coins to an account without code; the chains ask
// exactly this. ApproveGas is enough to approve a token.
const (
	SendGas    = 21_000
	ApproveGas = 100_000
)

// TransferGas is enough to pay tokens.
const TransferGas = 21_000 + tokenGas

func (s Swap) payGas() uint64 {
	if s.terms.Asset.IsNative() {
		return payeeGas
	}
	return tokenGas
}

// LockGas is enough for LockCall.
func (s Swap) LockGas() uint64 {
	if s.terms.Asset.IsNative() {
		return callGas
	}
	return callGas + tokenGas
}

// RedeemGas is enough for RedeemCall and RedeemCallFrom.
func (s Swap) RedeemGas() uint64 { return callGas + s.payGas() }

// RefundGas is enough for RefundCall and RefundToCall.
func (s Swap) RefundGas() uint64 { return callGas + s.payGas() }

// Gas is enough for Call.
func (c SignedClaim) Gas() uint64 { return callGas + signatureGas + 2*c.Swap.payGas() }

// LockBatchGas is enough for LockBatchCall.
func LockBatchGas(swaps []Swap) uint64 {
	gas := uint64(batchGas)
	for _, s := range swaps {
		gas += batchLockGas
		if !s.terms.Asset.IsNative() {
			gas += tokenGas
		}
	}
	return gas
}

// RedeemBatchGas is enough for RedeemBatchCall.
func RedeemBatchGas(swaps []Swap) uint64 { return endBatchGas(swaps) }

// RefundBatchGas is enough for RefundBatchCall.
func RefundBatchGas(swaps []Swap) uint64 { return endBatchGas(swaps) }

// endBatchGas is for payees who are all different and honest: one who burns what
// a batch gives him can make it run out, and then it is sent again without him.
func endBatchGas(swaps []Swap) uint64 {
	gas := uint64(batchGas)
	for _, s := range swaps {
		gas += batchClaimGas + s.payGas()
	}
	return gas
}
