package contracts

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/accounts/abi"
)

// What `make contracts` compiled. A test runs it; the build fails when it is not
// what the sources make.
var (
	//go:embed artifacts/HashLock.json
	hashLockJSON []byte
	//go:embed artifacts/Channels.json
	channelsJSON []byte
	//go:embed artifacts/SecretRegistry.json
	secretRegistryJSON []byte
	//go:embed artifacts/TestToken.json
	testTokenJSON []byte

	hashLock       = readArtifact(hashLockJSON)
	channels       = readArtifact(channelsJSON)
	secretRegistry = readArtifact(secretRegistryJSON)
	testToken      = readArtifact(testTokenJSON)
)

// An artifact is a compiled contract.
type artifact struct {
	abi        abi.ABI
	code       []byte  // that deploys it; constructor arguments follow
	runtime    []byte  // that lies on the chain, zeros where immutables are
	immutables [][]int // offsets in runtime of each 32-byte immutable, in the order of their declaration
}

// readArtifact reads what build.mjs wrote. It panics on anything else: the file
// is part of this program.
func readArtifact(raw []byte) artifact {
	var f struct {
		Contract   string  `json:"contract"`
		ABI        abi.ABI `json:"abi"`
		Code       string  `json:"bytecode"`
		Runtime    string  `json:"runtime"`
		Immutables [][]int `json:"immutables"`
	}
	err := json.Unmarshal(raw, &f)
	if err != nil {
		panic(fmt.Sprintf("contracts: artifact: %v", err))
	}
	code, err := hex.DecodeString(f.Code)
	if err != nil {
		panic(fmt.Sprintf("contracts: artifact %s: %v", f.Contract, err))
	}
	runtime, err := hex.DecodeString(f.Runtime)
	if err != nil {
		panic(fmt.Sprintf("contracts: artifact %s: %v", f.Contract, err))
	}
	return artifact{f.ABI, code, runtime, f.Immutables}
}

// call encodes a call of a method. It panics when the arguments are not the
// method's: only our own code chooses them.
func (a artifact) call(method string, args ...any) []byte {
	data, err := a.abi.Pack(method, args...)
	if err != nil {
		panic(fmt.Sprintf("contracts: call %s: %v", method, err))
	}
	return data
}

// deploy encodes the creation with these constructor arguments.
func (a artifact) deploy(args ...any) []byte {
	return append(slices.Clone(a.code), a.call("", args...)...)
}

// deployed is the code on the chain when the immutables hold these words.
func (a artifact) deployed(words ...[]byte) []byte {
	runtime := slices.Clone(a.runtime)
	for i, places := range a.immutables {
		for _, at := range places {
			copy(runtime[at:], words[i])
		}
	}
	return runtime
}

// topic is the first topic of an event.
func (a artifact) topic(event string) Hash {
	e, ok := a.abi.Events[event]
	if !ok {
		panic("contracts: no event " + event)
	}
	return Hash(e.ID)
}

// selector is the first four bytes of a call of a method.
func (a artifact) selector(method string) [4]byte {
	m, ok := a.abi.Methods[method]
	if !ok {
		panic("contracts: no method " + method)
	}
	return [4]byte(m.ID)
}
