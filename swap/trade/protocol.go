package trade

import (
	"encoding/json"
	"errors"
	"fmt"

	"photon/contracts"
)

// Protocol is the version of what two nodes agree to do and say. Messages and
// trades carry it: a program that changes the rules counts it up, and goes on with
// older trades by theirs.
const Protocol = 1

// ErrProtocol is why a message or a stored trade is left alone.
var ErrProtocol = errors.New("of a protocol that this program does not know")

// spoken refuses a version that is not ours. Errors: ErrProtocol.
func spoken(version int) error {
	if version != Protocol {
		return fmt.Errorf("%w: version %d, ours is %d", ErrProtocol, version, Protocol)
	}
	return nil
}

// Known says whether we know the rules of t. One that was stored before the
// version was written down is of the first. Errors: ErrProtocol.
func (t Trade) Known() error {
	if t.Protocol == 0 {
		return nil
	}
	return spoken(t.Protocol)
}

// UnmarshalJSON reads a stored trade. Of one whose rules we do not know it reads
// only which it is: its other fields may mean something else.
func (t *Trade) UnmarshalJSON(raw []byte) error {
	var name struct {
		ID       contracts.Hash `json:"id"`
		Number   uint64         `json:"number"`
		Protocol int            `json:"protocol"`
	}
	if err := json.Unmarshal(raw, &name); err != nil {
		return err
	}
	if t.Protocol = name.Protocol; t.Known() != nil {
		*t = Trade{ID: name.ID, Number: name.Number, Protocol: name.Protocol}
		return nil
	}
	type fields Trade // without this method
	return json.Unmarshal(raw, (*fields)(t))
}
