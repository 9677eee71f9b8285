package ledger

import (
	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// An Event is what a ledger is told. Errors are those of Apply that it may meet.
type Event interface{ event() }

// From our user.

// A Pay is a payment that our user wants made. With an Invoice it goes under locks
// that only the payee can open, and his secret is the receipt; with none, or when it
// is Plain, it goes through a channel with the payee, at once and for good. The same
// payment may come again. Errors: ErrPayment, message.ErrInvoice, ErrReused, ErrNoRoute,
// ErrFee, ErrStale, ErrOffline, ErrFull, channel.ErrShort.
type Pay struct {
	ID       contracts.Hash // of a plain one, never used before; of another the invoice's hash or zero
	Asset    contracts.Asset
	To       contracts.Address
	Amount   contracts.Amount
	Invoice  *message.Invoice
	Plain    bool
	Routes   []Route // none: a channel with the payee, else what the path finder says
	MaxFee   contracts.Amount
	Deadline uint64 // Unix second: no new try from it on; 0 is none
	Text     string
	Before   *Payment // what the store has under this id, which is to be asked: a hash that was paid is anybody's to claim
}

// A Routed is what the path finder has found for a payment that waits for it; none
// when there is nothing.
type Routed struct {
	ID     contracts.Hash
	Routes []Route
}

// A Request makes a [Demand] of an invoice that we have signed. Errors: message.ErrInvoice,
// ErrReused, ErrFull.
type Request struct {
	Invoice message.Invoice
	Number  uint64 // of the secret; 0 when it is somebody else's
	Hold    bool   // show the secret only when a Release says so
}

// A Release gives the secret of a demand: it is shown as soon as enough is locked
// for us. Errors: message.ErrInvoice.
type Release struct{ Secret contracts.Secret }

// A Cancel withdraws a demand, and gives up what is locked for it. Errors:
// message.ErrInvoice when its secret is shown.
type Cancel struct{ Hash contracts.Hash }

// A Quote binds us, until it expires, to an offer that we have made to a partner.
// Errors: message.ErrOffer, ErrReused, ErrStale, ErrOffline, ErrNoRoute,
// ErrFull, channel.ErrShort.
type Quote struct{ Offer message.Offer }

// A Take takes the offer of a partner: our part is promised now, and his is paid
// when it is locked for us. It is a payment and a demand of the offer's hash. Errors:
// as of Quote, channel.ErrExpiry.
type Take struct {
	Offer  message.Offer
	Number uint64 // of the secret
}

// A SetFee says what we ask in a channel. Errors: ErrChannel, those of
// message.Schedule.Check.
type SetFee struct{ Fee }

// A Want asks a channel for a withdrawal or its ending. Errors: ErrChannel,
// ErrStale, those of channel.Ask.
type Want struct {
	Channel contracts.Hash
	Wish    channel.Wish
}

// From the node.

// A Heard is a message of a partner. Errors: ErrChannel, those of channel.Heard.
type Heard struct {
	From    contracts.Address
	Message message.Message
}

// A News is what a chain tells. What was told before is passed over. Errors:
// ErrPayment for a chain that we do not know.
type News struct {
	Chain contracts.Chain
	channel.News
}

// A Clock says what time it is, about once a second.
type Clock struct{ Now uint64 } // Unix second

// A Met says that a partner can be reached, a Parted that he cannot.
type Met struct{ Partner contracts.Address }

// A Parted says that a partner cannot be reached.
type Parted struct{ Partner contracts.Address }

// A Flush sends what is queued in all channels.
type Flush struct{}

// A Found is the answer to a [Seek].
type Found struct {
	Channel contracts.Hash
	Locks   []contracts.Lock
}

func (Pay) event()     {}
func (Routed) event()  {}
func (Request) event() {}
func (Release) event() {}
func (Cancel) event()  {}
func (Quote) event()   {}
func (Take) event()    {}
func (SetFee) event()  {}
func (Want) event()    {}
func (Heard) event()   {}
func (News) event()    {}
func (Clock) event()   {}
func (Met) event()     {}
func (Parted) event()  {}
func (Flush) event()   {}
func (Found) event()   {}

// An Effect is what the node does after a change is stored.
type Effect interface{ effect() }

// A Tell is a message for a partner: what it says of ours is signed on the way out.
type Tell struct {
	To      contracts.Address
	Message message.Message
}

// A Find asks the path finder. Its answer is a [Routed].
type Find struct {
	ID contracts.Hash // of the payment
	Query
}

// A Show asks for the secret of a demand for which enough is locked. Its answer is
// a [Release]; it comes again with every Clock.
type Show struct {
	Hash   contracts.Hash
	Number uint64
}

// A Seek asks for the list of locks behind a root that was brought to the chain as
// our word, of what was said in the channel's epoch. Its answer is a [Found].
type Seek struct {
	Channel contracts.Hash
	Epoch   uint64
	Root    contracts.Hash
}

// An Over says that a payment of ours has ended: for those who wait for it.
type Over struct {
	ID     contracts.Hash
	Status Status
	Reason message.Reason
}

// A Notice tells our user what has happened.
type Notice struct {
	Kind NoticeKind
	ID   contracts.Hash
	Text string
}

// A NoticeKind is what a notice is about, and what its id names.
type NoticeKind string

// The kinds.
const (
	GotPayment   NoticeKind = "got"    // a payment
	GotHold      NoticeKind = "held"   // a demand
	ChannelMoved NoticeKind = "moved"  // a channel was opened, closed or settled
	WishEnded    NoticeKind = "wish"   // a wish; Text is why it will not be
	Alarm        NoticeKind = "alarm"  // a channel; a person must look
	PassedOn     NoticeKind = "passed" // a transfer
)

func (Tell) effect()   {}
func (Find) effect()   {}
func (Show) effect()   {}
func (Seek) effect()   {}
func (Over) effect()   {}
func (Notice) effect() {}
