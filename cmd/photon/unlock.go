package main

import (
	"runtime/debug"

	"photon/adapters/keys"
)

// unlock opens a key file and gives back the memory that stretching the password
// took, which is more than a node needs for anything else. Errors: as keys.Open.
func unlock(path, password string) (*keys.Keyring, error) {
	ring, err := keys.Open(path, password)
	debug.FreeOSMemory()
	return ring, err
}
