package evm

import "time"

// SetClock lets tests of the outside move the time.
func (c *Chain) SetClock(now func() time.Time) { c.now = now }
