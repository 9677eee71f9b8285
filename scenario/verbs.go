package scenario

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// A verb is one thing that a story can say.
type verb struct {
	usage string
	least int  // words behind it
	asks  bool // somebody asks for it and can be refused
	do    func(p *player, ctx context.Context, args []string) error
}

// verbs are all that a story can say. init fills it, because some play others.
var verbs map[string]*verb

func init() {
	verbs = map[string]*verb{
		"with":     {"with safe|fast|dev: the profile and pace of the world", 1, false, upset("with")},
		"offer":    {"offer maker give=10eth want=0.5btc [min=1eth] [for=24h] [form=p2wsh]", 3, true, (*player).offer},
		"withdraw": {"withdraw maker", 1, true, (*player).withdraw},
		"quote":    {"quote taker maker [get=1eth] [from=board]", 2, true, (*player).quote},
		"take":     {"take taker maker [get=1eth] [after=1m] [from=board] [despite=yes]", 2, true, (*player).take},
		"leave":    {"leave person", 1, true, (*player).leave},
		"pass":     {"pass 10m", 1, false, (*player).pass},
		"mine":     {"mine btc 3", 2, false, (*player).mine},
		"until":    {"until 30m alice status=completed", 3, false, (*player).until},
		"expect":   {"expect alice status=completed btc=-0.5", 2, false, (*player).expect},
		"start":    {"start alice", 1, false, each((World).Start)},
		"stop":     {"stop alice", 1, false, each((World).Stop)},
		"kill":     {"kill alice", 1, false, each((World).Kill)},
	}
	for name, usage := range map[string]string{
		"cut": "cut alice bob", "join": "join alice bob", "down": "down alice btc", "up": "up alice btc", "stale": "stale alice btc",
		"lie": "lie alice btc", "lose": "lose alice btc", "reorg": "reorg btc 2 [drop]", "fees": "fees btc x20", "idle": "idle btc", "busy": "busy btc", "favour": "favour btc: a block takes what waits, whatever it pays",
		"halt": "halt btc: no blocks", "resume": "resume btc", "wipe": "wipe alice: her database is lost, not her keys", "full": "full alice", "empty": "empty alice", "noise": "noise 7 [double] [delay=5s] [lose]", "crash": "crash alice before|after|lost \"send BTC lock\"",
		"board": "board open|close: offers are shown on one, or it goes away",
		"loses": "loses alice: she stays away too long, and may lose",
	} {
		verbs[name] = &verb{usage, 1, false, upset(name)}
	}
	maps.Copy(verbs, puppetVerbs)
	maps.Copy(verbs, payerVerbs)
}

// upset hands a verb to the world.
func upset(name string) func(*player, context.Context, []string) error {
	return func(p *player, _ context.Context, args []string) error { return p.world.Upset(name, args) }
}

// each does something to every person named.
func each(do func(World, string) error) func(*player, context.Context, []string) error {
	return func(p *player, _ context.Context, args []string) error {
		for _, name := range args {
			if err := do(p.world, name); err != nil {
				return err
			}
		}
		return nil
	}
}

// options are the words of the form name=value.
func options(args []string) map[string]string {
	all := map[string]string{}
	for _, a := range args {
		if name, value, is := strings.Cut(a, "="); is {
			all[name] = value
		}
	}
	return all
}

var sumPattern = regexp.MustCompile(`^([0-9.]+)([a-zA-Z]+)(?::(\w+))?$`)

// sum reads "0.5btc", or "20eth:usd" for a token that the world knows by name: in
// its smallest units.
func (p *player) sum(text string) (contracts.Sum, error) {
	m := sumPattern.FindStringSubmatch(text)
	if m == nil || m[3] == "" {
		return contracts.ParseSum(text)
	}
	c, err := contracts.ParseChain(m[2])
	if err != nil {
		return contracts.Sum{}, err
	}
	a, err := p.world.Token(c, m[3])
	if err != nil {
		return contracts.Sum{}, err
	}
	n, err := contracts.ParseAmount(m[1])
	return contracts.Sum{Asset: a, Amount: n}, err
}

func (p *player) offer(ctx context.Context, args []string) error {
	who, err := p.world.Person(args[0])
	if err != nil {
		return err
	}
	d, err := p.draft(args[1:])
	if err != nil {
		return err
	}
	o, err := who.Offer(ctx, d)
	if err != nil {
		return err
	}
	p.offers[args[0]] = o
	return nil
}

// draft reads the words of an offer.
func (p *player) draft(args []string) (d trade.Draft, err error) {
	o := options(args)
	give, err := p.sum(o["give"])
	if err != nil {
		return d, fmt.Errorf("give: %w", err)
	}
	want, err := p.sum(o["want"])
	if err != nil {
		return d, fmt.Errorf("want: %w", err)
	}
	d = trade.Draft{Give: give.Asset, Want: want.Asset, Min: give.Amount, Max: give.Amount, GiveOf: give.Amount, WantOf: want.Amount,
		Form: contracts.Form(o["form"])}
	if o["min"] != "" {
		least, err := p.sum(o["min"])
		if err != nil {
			return d, fmt.Errorf("min: %w", err)
		}
		d.Min = least.Amount
	}
	lasts := 24 * time.Hour
	if o["for"] != "" {
		if lasts, err = time.ParseDuration(o["for"]); err != nil {
			return d, err
		}
	}
	d.Expires = uint64(time.Now().Add(lasts).Unix())
	return d, nil
}

func (p *player) withdraw(ctx context.Context, args []string) error {
	who, err := p.world.Person(args[0])
	if err != nil {
		return err
	}
	return who.Withdraw(ctx, p.offers[args[0]].Digest())
}

// price asks for a quote on a maker's newest offer.
func (p *player) price(ctx context.Context, args []string) (Person, trade.Quote, error) {
	who, err := p.world.Person(args[0])
	if err != nil {
		return nil, trade.Quote{}, err
	}
	var fetched []trade.Offer
	if options(args)["from"] != "board" {
		if fetched, err = who.Fetch(ctx, args[1]); err != nil {
			return nil, trade.Quote{}, err
		}
	}
	o, made := p.offers[args[1]]
	if !made && len(fetched) > 0 {
		o, made = fetched[0], true
	}
	if !made {
		return nil, trade.Quote{}, fmt.Errorf("%s has made no offer", args[1])
	}
	get := o.Max
	if text := options(args)["get"]; text != "" {
		s, err := p.sum(text)
		if err != nil {
			return nil, trade.Quote{}, err
		}
		get = s.Amount
	}
	q, err := who.Quote(ctx, o.Digest(), get, options(args)["despite"] == "yes")
	return who, q, err
}

func (p *player) quote(ctx context.Context, args []string) error {
	_, _, err := p.price(ctx, args)
	return err
}

// take takes a maker's newest offer. Who is stopped meanwhile looks at his list
// of swaps before he takes it again.
func (p *player) take(ctx context.Context, args []string) error {
	before, err := p.taken(args[0])
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := p.takeOnce(ctx, args)
		if err == nil || !p.patient || try == 20 {
			return err
		}
		if err := p.world.Pass(10 * time.Second); err != nil {
			return err
		}
		if now, err := p.taken(args[0]); err == nil && now > before {
			return nil
		}
	}
}

// taken counts the offers that a person has taken.
func (p *player) taken(who string) (n int, err error) {
	all, err := p.world.Trades(who)
	for _, t := range all {
		if t.Role == trade.First {
			n++
		}
	}
	return n, err
}

func (p *player) takeOnce(ctx context.Context, args []string) error {
	who, q, err := p.price(ctx, args)
	if err != nil {
		return err
	}
	if text := options(args)["after"]; text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			return err
		}
		if err := p.world.Pass(d); err != nil {
			return err
		}
	}
	_, err = who.Take(ctx, q.ID)
	if err != nil {
		return err
	}
	return p.world.Pass(time.Second)
}

func (p *player) leave(ctx context.Context, args []string) error {
	who, err := p.world.Person(args[0])
	if err != nil {
		return err
	}
	t, err := p.trade(args[0])
	if err != nil {
		return err
	}
	err = who.Leave(ctx, t.ID)
	for _, heard := range []error{trade.ErrNotYet, trade.ErrRefunded, trade.ErrNoLock} {
		if p.patient && errors.Is(err, heard) {
			return nil // he asks again, and was heard before a fault took the answer
		}
	}
	return err
}

func (p *player) pass(_ context.Context, args []string) error {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	return p.world.Pass(d)
}

func (p *player) mine(_ context.Context, args []string) error {
	c, err := contracts.ParseChain(args[0])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	return p.world.Mine(c, n)
}

// until lets time pass until all of it is so.
func (p *player) until(ctx context.Context, args []string) error {
	most, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	for end := time.Now().Add(most); ; {
		err := p.hold(ctx, args[1:], false)
		if err == nil {
			return nil
		}
		if !time.Now().Before(end) {
			return fmt.Errorf("not within %s: %w", most, err)
		}
		if err := p.world.Pass(5 * time.Second); err != nil {
			return err
		}
		if err := p.world.Check(); err != nil {
			return err
		}
	}
}

// trade finds the newest trade of a person, or with "alice#1" the first.
func (p *player) trade(who string) (trade.Trade, error) {
	name, number, numbered := strings.Cut(who, "#")
	all, err := p.world.Trades(name)
	if err != nil {
		return trade.Trade{}, err
	}
	i := len(all) - 1
	if numbered {
		n, err := strconv.Atoi(number)
		if err != nil {
			return trade.Trade{}, err
		}
		i = n - 1
	}
	if i < 0 || i >= len(all) {
		return trade.Trade{}, fmt.Errorf("%s has %d swaps", name, len(all))
	}
	return all[i], nil
}
