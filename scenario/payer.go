package scenario

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

// A Payer is what somebody can do at his payment node.
type Payer interface {
	// Self is his account.
	Self() contracts.Address
	Open(ctx context.Context, id contracts.Hash, asset contracts.Asset, partner contracts.Address, window uint64, amount contracts.Amount) error
	Deposit(ctx context.Context, id, channel contracts.Hash, amount contracts.Amount) error
	Withdraw(ctx context.Context, id, channel contracts.Hash, amount contracts.Amount, within uint64) error
	Close(ctx context.Context, id, channel contracts.Hash, within uint64, alone bool) error
	Channels(ctx context.Context) ([]channel.Channel, error)
	Invoice(ctx context.Context, asset contracts.Asset, amount contracts.Amount, text string, expiry uint64, hold bool, hash contracts.Hash) (message.Invoice, error)
	Pay(ctx context.Context, p ledger.Pay) error
	Payment(ctx context.Context, id contracts.Hash) (ledger.Payment, error)
	ReleaseOwn(ctx context.Context, hash contracts.Hash) error
	Cancel(ctx context.Context, hash contracts.Hash) error
	SetFee(ctx context.Context, f ledger.Fee) error
}

// payerVerbs are what a story can say of channels.
var payerVerbs = map[string]*verb{
	"open":    {"open alice bob 100smt [window=120]: a channel, with what she puts in", 3, true, (*player).open},
	"deposit": {"deposit alice bob 50smt: more of hers into theirs", 3, true, (*player).deposit},
	"draw":    {"draw alice bob 40smt: she takes it out of their channel", 3, true, (*player).draw},
	"close":   {"close alice bob [alone]", 2, true, (*player).close},
	"fee":     {"fee bob alice smt [flat=5] [ppm=1000]: what he asks in their channel", 4, true, (*player).fee},
	"invoice": {"invoice bob bill 10smt [hold] [for=1h]: he asks for it, by a name", 3, true, (*player).invoice},
	"pay":     {"pay alice bob 10smt [plain] [via=carol,bob] [most=5smt] [times=10], or pay alice bill: and it arrives", 2, true, (*player).pay},
	"begin":   {"begin alice bill [via=carol,bob]: she pays, and nobody waits for it", 2, true, (*player).begin},
	"release": {"release bob bill: he shows the secret", 2, true, (*player).release},
	"cancel":  {"cancel bob bill: he gives up what is locked for it", 2, true, (*player).cancel},

	"try": {"try begin alice bob 5smt plain: or it is refused, which is as good", 2, false, (*player).try},

	"remember": {"remember bob alice: what she has said in their channel so far", 2, false, upset("remember")},
	"cheat":    {"cheat bob alice: his node stops, and he closes with what he remembers", 2, false, upset("cheat")},
	"seize":    {"seize bob alice: he unlocks all of the remembered list whose secrets are his", 2, false, upset("seize")},
}

// try does what another verb says. That somebody is refused is no error.
func (p *player) try(ctx context.Context, args []string) error {
	v := verbs[args[0]]
	if v == nil || !v.asks {
		return fmt.Errorf("nobody asks for %q", args[0])
	}
	p.refused = v.do(p, ctx, args[1:])
	return nil
}

// A bill is an invoice that a story calls by a name.
type bill struct {
	payee   string
	invoice message.Invoice
}

// tag makes an id that is the same when a line is tried again.
func (p *player) tag(what string, n int) contracts.Hash {
	return sha256.Sum256(fmt.Appendf(nil, "line %d %s %d, try %d", p.at, what, n, p.tries[[2]int{p.at, n}]))
}

// together is the newest channel of two people in an asset that is not settled.
func (p *player) together(ctx context.Context, who, with string, asset *contracts.Asset) (Payer, channel.Channel, error) {
	one, err := p.world.Payer(who)
	if err != nil {
		return nil, channel.Channel{}, err
	}
	other, err := p.world.Account(with)
	if err != nil {
		return nil, channel.Channel{}, err
	}
	all, err := one.Channels(ctx)
	if err != nil {
		return nil, channel.Channel{}, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if c := all[i]; c.Partner() == other && (asset == nil || c.Asset() == *asset) {
			return one, c, nil
		}
	}
	return nil, channel.Channel{}, fmt.Errorf("%w: %s has none with %s", ledger.ErrChannel, who, with)
}

// wait lets time pass until so, at most an hour.
func (p *player) wait(what string, so func() (bool, error)) error {
	for end := time.Now().Add(time.Hour); time.Now().Before(end); {
		if yes, err := so(); err != nil || yes {
			return err
		}
		if err := p.world.Pass(time.Second); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: not within an hour", what)
}

func (p *player) open(ctx context.Context, args []string) error {
	one, err := p.world.Payer(args[0])
	if err != nil {
		return err
	}
	partner, err := p.world.Account(args[1])
	if err != nil {
		return err
	}
	s, err := p.sum(args[2])
	if err != nil {
		return err
	}
	window := uint64(600)
	if text := options(args)["window"]; text != "" {
		if window, err = strconv.ParseUint(text, 10, 64); err != nil {
			return err
		}
	}
	if err := one.Open(ctx, p.tag("open", 0), s.Asset, partner, window, s.Amount); err != nil {
		return err
	}
	return p.bothSee(ctx, "the channel is open", args, s.Asset, func(c channel.Channel, _ bool) bool {
		return c.Us.Deposit.Plus(c.Them.Deposit) == s.Amount
	})
}

// bothSee waits until both of two people see their channel in an asset as it should
// be; hers is the first one's.
func (p *player) bothSee(ctx context.Context, what string, people []string, asset contracts.Asset, so func(c channel.Channel, hers bool) bool) error {
	for i := range 2 {
		if err := p.wait(what, func() (bool, error) {
			_, c, err := p.together(ctx, people[i], people[1-i], &asset)
			return err == nil && so(c, i == 0), unlessAway(err)
		}); err != nil {
			return err
		}
	}
	return nil
}

// unlessAway passes over what only says that something is not there yet, or that a
// node has fallen and will stand up again.
func unlessAway(err error) error {
	if errors.Is(err, ledger.ErrChannel) || isDown(err) {
		return nil
	}
	return err
}

func (p *player) deposit(ctx context.Context, args []string) error {
	s, err := p.sum(args[2])
	if err != nil {
		return err
	}
	one, c, err := p.together(ctx, args[0], args[1], &s.Asset)
	if err != nil {
		return err
	}
	if err := one.Deposit(ctx, p.tag("deposit", 0), c.Key, s.Amount); err != nil {
		return err
	}
	return p.bothSee(ctx, "the deposit is seen", args, s.Asset, func(now channel.Channel, hers bool) bool {
		has := now.Them.Deposit
		if hers {
			has = now.Us.Deposit
		}
		return has == c.Us.Deposit.Plus(s.Amount)
	})
}

func (p *player) draw(ctx context.Context, args []string) error {
	s, err := p.sum(args[2])
	if err != nil {
		return err
	}
	one, c, err := p.together(ctx, args[0], args[1], &s.Asset)
	if err != nil {
		return err
	}
	if err := one.Withdraw(ctx, p.tag("draw", 0), c.Key, s.Amount, 300); err != nil {
		return err
	}
	return p.bothSee(ctx, "it is withdrawn", args, s.Asset, func(now channel.Channel, _ bool) bool { return now.Epoch > c.Epoch })
}

func (p *player) close(ctx context.Context, args []string) error {
	one, c, err := p.together(ctx, args[0], args[1], nil)
	if err != nil {
		return err
	}
	alone := len(args) > 2 && args[2] == "alone"
	return one.Close(ctx, p.tag("close", 0), c.Key, 300, alone)
}

func (p *player) fee(ctx context.Context, args []string) error {
	chain, err := contracts.ParseChain(args[2])
	if err != nil {
		return err
	}
	asset := contracts.Native(chain)
	one, c, err := p.together(ctx, args[0], args[1], &asset)
	if err != nil {
		return err
	}
	f := ledger.Fee{Channel: c.Key, Schedule: message.Schedule{Cap: true}}
	o := options(args)
	if o["flat"] != "" {
		if f.Schedule.Flat, err = contracts.ParseAmount(o["flat"]); err != nil {
			return err
		}
	}
	if o["ppm"] != "" {
		ppm, err := strconv.ParseUint(o["ppm"], 10, 32)
		if err != nil {
			return err
		}
		f.Schedule.Proportional = uint32(ppm)
	}
	return one.SetFee(ctx, f)
}

func (p *player) invoice(ctx context.Context, args []string) error {
	s, err := p.sum(args[2])
	if err != nil {
		return err
	}
	lasts := time.Hour
	if text := options(args)["for"]; text != "" {
		if lasts, err = time.ParseDuration(text); err != nil {
			return err
		}
	}
	one, err := p.world.Payer(args[0])
	if err != nil {
		return err
	}
	hold := len(args) > 3 && args[3] == "hold"
	i, err := one.Invoice(ctx, s.Asset, s.Amount, "", uint64(time.Now().Add(lasts).Unix()), hold, contracts.Hash{})
	if err == nil {
		p.bills[args[1]] = bill{args[0], i}
	}
	return err
}

func (p *player) release(ctx context.Context, args []string) error {
	one, err := p.world.Payer(args[0])
	if err != nil {
		return err
	}
	return one.ReleaseOwn(ctx, p.bills[args[1]].invoice.Hash)
}

func (p *player) cancel(ctx context.Context, args []string) error {
	one, err := p.world.Payer(args[0])
	if err != nil {
		return err
	}
	return one.Cancel(ctx, p.bills[args[1]].invoice.Hash)
}

// order reads the words of one payment; with no invoice and not plain, the payee is
// asked for one.
func (p *player) order(ctx context.Context, args []string, n int) (q ledger.Pay, err error) {
	o := options(args)
	b, billed := p.bills[args[1]]
	var s contracts.Sum
	if billed {
		s = contracts.Sum{Asset: b.invoice.Asset, Amount: b.invoice.Amount}
	} else {
		if len(args) < 3 {
			return q, fmt.Errorf("how much?")
		}
		if s, err = p.sum(args[2]); err != nil {
			return q, err
		}
	}
	q = ledger.Pay{Asset: s.Asset, Amount: s.Amount}
	for _, a := range args {
		q.Plain = q.Plain || a == "plain"
	}
	if o["most"] != "" {
		most, err := p.sum(o["most"])
		if err != nil {
			return q, err
		}
		q.MaxFee = most.Amount
	}
	payee := args[1]
	if billed {
		payee = b.payee
	}
	if q.To, err = p.world.Account(payee); err != nil {
		return q, err
	}
	switch key := fmt.Sprintf("line %d %d, try %d", p.at, n, p.tries[[2]int{p.at, n}]); {
	case q.Plain:
		q.ID = p.tag("pay", n)
		return q, nil
	case !billed:
		if b, billed = p.bills[key]; !billed {
			two, err := p.world.Payer(payee)
			if err != nil {
				return q, err
			}
			i, err := two.Invoice(ctx, s.Asset, s.Amount, "", uint64(time.Now().Add(time.Hour).Unix()), false, contracts.Hash{})
			if err != nil {
				return q, err
			}
			b = bill{payee, i}
			p.bills[key] = b
		}
	}
	q.Invoice, q.ID = &b.invoice, b.invoice.Hash
	if via := o["via"]; via != "" {
		r := ledger.Route{Sent: s.Amount, Amount: s.Amount}
		if o["sent"] != "" {
			sent, err := p.sum(o["sent"])
			if err != nil {
				return q, err
			}
			r.Sent = sent.Amount
		}
		for name := range strings.SplitSeq(via, ",") {
			at, err := p.world.Account(name)
			if err != nil {
				return q, err
			}
			r.Nodes = append(r.Nodes, at)
		}
		q.Routes = []ledger.Route{r}
	}
	return q, nil
}

func (p *player) begin(ctx context.Context, args []string) error {
	q, err := p.order(ctx, args, 0)
	if err != nil {
		return err
	}
	one, err := p.world.Payer(args[0])
	if err != nil {
		return err
	}
	return one.Pay(ctx, q)
}

func (p *player) pay(ctx context.Context, args []string) error {
	times := 1
	if text := options(args)["times"]; text != "" {
		var err error
		if times, err = strconv.Atoi(text); err != nil {
			return err
		}
	}
	var ids []contracts.Hash
	for n := range times {
		q, err := p.order(ctx, args, n)
		if err != nil {
			return err
		}
		one, err := p.world.Payer(args[0])
		if err != nil {
			return err
		}
		if err := one.Pay(ctx, q); err != nil {
			return err
		}
		ids = append(ids, q.ID)
	}
	var failed []error
	for n, id := range ids {
		if err := p.wait("the payment has ended", func() (bool, error) {
			one, err := p.world.Payer(args[0])
			if err != nil {
				return false, unlessAway(err)
			}
			got, err := one.Payment(ctx, id)
			if err == nil && got.Status == ledger.Failed {
				p.tries[[2]int{p.at, n}]++ // another try is another payment
				failed = append(failed, fmt.Errorf("payment failed: %s", got.Reason))
			}
			return err == nil && got.Status != ledger.Pending, unlessAway(err)
		}); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

// between holds one thing that is expected of two people's channel, as the first of
// them sees it: "alice/bob", or "alice/bob:eth" where they have several.
func (p *player) between(ctx context.Context, who, name, want string) error {
	one, rest, _ := strings.Cut(who, "/")
	two, in, several := strings.Cut(rest, ":")
	var asset *contracts.Asset
	if several {
		chain, err := contracts.ParseChain(in)
		if err != nil {
			return err
		}
		native := contracts.Native(chain)
		asset = &native
	}
	var c channel.Channel
	all, err := p.world.Stored(one)
	if err != nil {
		return err
	}
	partner, err := p.world.Account(two)
	if err != nil {
		return err
	}
	for _, x := range all {
		if x.Partner() == partner && (asset == nil || x.Asset() == *asset) {
			c = x
		}
	}
	has := ""
	switch name {
	case "channel":
		if has = string(c.Status); has == "" {
			has = "none"
		}
	case "has":
		return p.same(c.Balance(), c.Asset(), want)
	case "paid":
		return p.same(c.Paid[0], c.Asset(), want)
	case "sendable":
		return p.same(c.Sendable(), c.Asset(), want)
	case "put":
		return p.same(c.Us.Deposit, c.Asset(), want)
	case "locks":
		has = strconv.Itoa(len(c.Us.Locks))
	case "epoch":
		has = strconv.FormatUint(c.Epoch, 10)
	case "nonce":
		has = strconv.FormatUint(c.Us.Proof.Nonce, 10)
	default:
		return fmt.Errorf("nothing is called %q", name)
	}
	if has != want {
		return fmt.Errorf("%s=%s", name, has)
	}
	return nil
}

// total holds what somebody has in all channels of an asset that are not settled.
func (p *player) total(who, want string) error {
	s, err := p.sum(want)
	if err != nil {
		return err
	}
	all, err := p.world.Stored(who)
	if err != nil {
		return err
	}
	var has contracts.Amount
	for _, c := range all {
		if c.Asset() == s.Asset && c.Status != channel.Settled {
			has = has.Plus(c.Balance())
		}
	}
	if has != s.Amount {
		return fmt.Errorf("it is %s", has)
	}
	return nil
}

// billed holds how a payer's payment of an invoice stands.
func (p *player) billed(ctx context.Context, who string, b bill, want string) error {
	one, err := p.world.Payer(who)
	if err != nil {
		return err
	}
	got, err := one.Payment(ctx, b.invoice.Hash)
	if err != nil {
		return err
	}
	if string(got.Status) != want {
		return fmt.Errorf("it is %s %s", got.Status, got.Reason)
	}
	return nil
}

// same holds an amount: "70smt", or a plain number of smallest units.
func (p *player) same(has contracts.Amount, asset contracts.Asset, want string) error {
	amount, err := contracts.ParseAmount(want)
	if err != nil {
		s, err := p.sum(want)
		if err != nil {
			return err
		}
		if s.Asset != asset {
			return fmt.Errorf("it is in %s", asset)
		}
		amount = s.Amount
	}
	if has != amount {
		return fmt.Errorf("it is %s %s", has, asset)
	}
	return nil
}
