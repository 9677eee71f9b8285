package contracts

// Gas limits for Channels.sol and SecretRegistry.sol, enough under the rules of
// Ethereum (Osaka) and of Spectrum. A chain takes only what is used;
// channel_limit_test.go prints that, and holds these limits. They are made of
//
//   - the transaction and its data, at Spectrum's price of a byte, the higher one
//   - what the contract itself does, before the refund for a deleted slot, with every
//     slot new that can be
//   - a token's own work when it is taken in, which only the token bounds: tokenGas
//   - for each payment, what the contract asks to be left before it pays. No payee
//     and no token can make the call fail: what wants more is owed
//
// Who is owed because he wants more than a payment's gas has the collection
// estimated.
const (
	byteGas = 68 // of data
	zeroGas = 4  // of data

	paymentGas = 245_000 // PAY_GAS and PAY_MARGIN

	openGas     = 30_000
	openSignGas = 5_000  // of another's order, beside
	creditGas   = 32_000 // of what is put in
	heldGas     = 30_000 // of tokens, beside

	withdrawGas = 30_000
	togetherGas = 25_000

	closeGas      = 42_000
	updateGas     = 47_000
	unlockGas     = 30_000
	unlockLockGas = 3_500 // of each lock of the list
	punishGas     = 40_000
	punishLockGas = 60 // of each lock of the list
	settleGas     = 25_000

	registerGas = 5_000
	secretGas   = 26_000 // of each secret
)

// ChannelGas is enough for a call of Channels or SecretRegistry that this package has
// made, whoever sends it; for other data ok is false.
func ChannelGas(data []byte) (gas uint64, ok bool) {
	work, ok := channelWork(data)
	if !ok {
		return 0, false
	}
	gas = SendGas + work
	for _, b := range data {
		if b == 0 {
			gas += zeroGas
		} else {
			gas += byteGas
		}
	}
	return gas, true
}

// channelWork is the gas of a call beside its transaction and data.
func channelWork(data []byte) (gas uint64, ok bool) {
	words := len(data) / 32 // after the four bytes of the method
	if len(data)%32 != 4 || words == 0 {
		return 0, false
	}
	locks := uint64(max(0, words-15) / 3) // if it takes a list: three words each, and 15 beside
	switch channelMethod(data) {
	case "open":
		return openGas + putGas(data), true
	case "openSigned":
		return openGas + openSignGas + putGas(data), true
	case "deposit":
		return putGas(data), true
	case "depositPermit":
		return creditGas + heldGas + 2*tokenGas, true
	case "withdraw":
		return withdrawGas + 2*paymentGas, true
	case "closeTogether":
		return togetherGas + 2*paymentGas, true
	case "close":
		return closeGas, true
	case "update":
		return updateGas, true
	case "unlock":
		return unlockGas + locks*unlockLockGas, true
	case "punish":
		return punishGas + locks*punishLockGas + paymentGas, true
	case "settle":
		return settleGas + 2*paymentGas, true
	case "collect":
		return paymentGas, true
	case "register":
		return registerGas + secretGas, true
	case "registerBatch":
		return registerGas + uint64(max(0, words-2))*secretGas, true
	}
	return 0, false
}

// channelMethod is the name of what is called, empty when it is of neither contract.
func channelMethod(data []byte) string {
	for _, a := range []artifact{channels, secretRegistry} {
		if m, err := a.abi.MethodById(data); err == nil {
			return m.Name
		}
	}
	return ""
}

// putGas is for putting in the amount that a call says last, of the token that it
// says first.
func putGas(data []byte) uint64 {
	token, amount, zero := [32]byte(data[4:36]), [32]byte(data[len(data)-32:]), [32]byte{}
	switch {
	case amount == zero:
		return 0
	case token == zero:
		return creditGas
	}
	return creditGas + heldGas + tokenGas
}
