package message

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/holiman/uint256"

	"photon/contracts"
)

// Why a curve or a schedule is refused.
var (
	ErrPoints       = errors.New("a curve has 2 to 64 points")
	ErrUnsorted     = errors.New("balances of a curve must rise")
	ErrTooLarge     = errors.New("beyond 128 bits")
	ErrProportional = errors.New("proportional fee is the whole amount or more")
	ErrImbalance    = errors.New("imbalance fee above 50000 ppm")
	ErrEncoding     = errors.New("not in its one encoding")
)

// MaxPoints is how many points a curve may have.
const MaxPoints = 64

const million = 1_000_000

// A Point says how ill at ease a node is with a balance: what it asks for a
// payment is the difference of Penalty between its balance after and before.
type Point struct {
	Balance contracts.Amount // what the node owns in the channel; below 2^128
	Penalty contracts.Amount // below 2^128; only differences count
}

// A Curve is points joined by straight lines. The zero Curve asks nothing at
// any balance; every other is undefined outside its first and last balance.
// It is never changed once made, and safe to share.
type Curve struct{ knots []knot }

// A knot is a point and the line to the next one.
type knot struct {
	x     uint256.Int // balance
	y     uint256.Int // penalty, in millionths of a unit
	width uint256.Int // to the next balance
	rise  uint256.Int // to the next penalty, in millionths, without sign
	falls bool        // the next penalty is less
}

// NewCurve joins points, whose balances must rise strictly.
// Errors: ErrPoints, ErrUnsorted, ErrTooLarge.
func NewCurve(points []Point) (Curve, error) {
	if len(points) < 2 || len(points) > MaxPoints {
		return Curve{}, fmt.Errorf("%w: %d", ErrPoints, len(points))
	}
	knots := make([]knot, len(points))
	for i, p := range points {
		k := knot{x: *p.Balance.Uint256(), y: *p.Penalty.Uint256()}
		if k.x.BitLen() > 128 || k.y.BitLen() > 128 {
			return Curve{}, fmt.Errorf("%w: point %d is %s, %s", ErrTooLarge, i, p.Balance, p.Penalty)
		}
		k.y.Mul(&k.y, uint256.NewInt(million))
		knots[i] = k
		if i == 0 {
			continue
		}
		last := &knots[i-1]
		if !last.x.Lt(&k.x) {
			return Curve{}, fmt.Errorf("%w: %s after %s", ErrUnsorted, p.Balance, points[i-1].Balance)
		}
		last.width.Sub(&k.x, &last.x)
		last.falls = k.y.Lt(&last.y)
		last.rise.Sub(&k.y, &last.y)
		last.rise.Abs(&last.rise)
	}
	return Curve{knots}, nil
}

// Points returns the points that the curve joins.
func (c Curve) Points() []Point {
	points := make([]Point, len(c.knots))
	for i, k := range c.knots {
		y := new(uint256.Int).Div(&k.y, uint256.NewInt(million))
		points[i] = Point{contracts.AmountOf(&k.x), contracts.AmountOf(y)}
	}
	return points
}

// IsZero reports whether the curve asks nothing at any balance.
func (c Curve) IsZero() bool { return len(c.knots) == 0 }

// line returns which line the balance is on, of two that meet there the upper
// one. It is -1 outside of the curve.
func (c *Curve) line(balance *uint256.Int) int {
	last := len(c.knots) - 1
	if balance.Lt(&c.knots[0].x) || c.knots[last].x.Lt(balance) {
		return -1
	}
	low, high := 0, last // the line is low or a later one, below high
	for high-low > 1 {
		mid := (low + high) / 2
		if balance.Lt(&c.knots[mid].x) {
			high = mid
		} else {
			low = mid
		}
	}
	return low
}

// at returns the penalty in millionths, on line i.
func (c *Curve) at(i int, balance *uint256.Int) (whole uint256.Int, p part) {
	k := &c.knots[i]
	p.den = k.width
	whole.Sub(balance, &k.x)
	whole, p.num = mulDiv(&k.rise, &whole, &k.width)
	if !k.falls {
		whole.Add(&k.y, &whole)
		return whole, p
	}
	whole.Sub(&k.y, &whole)
	if !p.num.IsZero() {
		whole.SubUint64(&whole, 1)
		p.num.Sub(&k.width, &p.num)
	}
	return whole, p
}

// MarshalJSON writes [["balance","penalty"],…].
func (c Curve) MarshalJSON() ([]byte, error) {
	pairs := make([][2]contracts.Amount, 0, len(c.knots))
	for _, p := range c.Points() {
		pairs = append(pairs, [2]contracts.Amount{p.Balance, p.Penalty})
	}
	return json.Marshal(pairs)
}

// UnmarshalJSON reads what MarshalJSON writes. Errors: as of NewCurve.
func (c *Curve) UnmarshalJSON(b []byte) (err error) {
	var pairs [][2]contracts.Amount
	if err := json.Unmarshal(b, &pairs); err != nil {
		return err
	}
	if len(pairs) == 0 {
		*c = Curve{}
		return nil
	}
	points := make([]Point, len(pairs))
	for i, p := range pairs {
		points[i] = Point{p[0], p[1]}
	}
	*c, err = NewCurve(points)
	return err
}
