//go:build !linux && !darwin

package main

import "time"

// processCPU is not asked for on this system.
func processCPU() time.Duration { return 0 }
