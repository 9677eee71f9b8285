package contracts

import (
	"fmt"
)

// ApproveCall lets spender take an amount of the sender's tokens.
func ApproveCall(spender Address, a Amount) []byte {
	return testToken.call("approve", spender, a.n.ToBig())
}

// TransferCall pays tokens of the sender.
func TransferCall(to Address, a Amount) []byte {
	return testToken.call("transfer", to, a.n.ToBig())
}

// AllowanceCall asks what spender may take of owner's tokens; [ReadTokens] reads
// the answer.
func AllowanceCall(owner, spender Address) []byte {
	return testToken.call("allowance", owner, spender)
}

// BalanceCall asks for the tokens of owner; [ReadTokens] reads the answer.
func BalanceCall(owner Address) []byte { return testToken.call("balanceOf", owner) }

// ReadTokens reads the answer to AllowanceCall and BalanceCall, in the token's
// smallest unit. Errors: ErrAnswer.
func ReadTokens(answer []byte) (Amount, error) { return readWord(answer) }

// DecimalsCall asks for a token's decimals; [ReadDecimals] reads the answer.
func DecimalsCall() []byte { return testToken.call("decimals") }

// ReadDecimals reads the answer to DecimalsCall; more than 77 cannot be, as
// amounts have at most 78 digits. Errors: ErrAnswer.
func ReadDecimals(answer []byte) (int, error) {
	a, err := readWord(answer)
	if err != nil {
		return 0, err
	}
	n, ok := a.Uint64()
	if !ok || n > 77 {
		return 0, fmt.Errorf("%w: %s decimals", ErrAnswer, a)
	}
	return int(n), nil
}

// TestTokenDeploy is the code that creates an ERC20 for the demo and gives the
// supply, in smallest units, to whoever sends it.
func TestTokenDeploy(name, symbol string, decimals uint8, supply Amount) []byte {
	return testToken.deploy(name, symbol, decimals, supply.n.ToBig())
}

// MintCall makes new test tokens. Anybody may send it.
func MintCall(to Address, a Amount) []byte { return testToken.call("mint", to, a.n.ToBig()) }
