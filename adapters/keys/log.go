package keys

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// Why a record of a rescue log is not returned.
var (
	ErrNotYours = errors.New("not yours: sealed by another mnemonic")
	ErrLog      = errors.New("not a whole record of a rescue log")
)

// A log is lines of text; a record is an empty line and one of base64, so that a
// record which a crash cut off spoils none that follows. Its bytes are
//
//	8 bytes that name the key | nonce, 24 bytes | body
//
// and the body is XChaCha20-Poly1305 of the plain bytes, with the name as further
// data.
const (
	logName   = 8
	logHead   = logName + chacha20poly1305.NonceSizeX
	maxRecord = 1 << 20 // bytes of a plain record
)

// logText is the alphabet of a line; it refuses a second spelling of the same
// bytes.
var logText = base64.RawStdEncoding.Strict()

// A logSeal seals and opens records of the rescue log.
type logSeal struct {
	name []byte // of the key, shown in each record
	key  []byte
}

// sealOf derives a seal from the key m/photon'/3'.
func sealOf(root []byte) logSeal {
	return logSeal{name: mac(root, []byte("name of the log"))[:logName], key: mac(root, []byte("seal of the log"))}
}

func (l logSeal) cipher() cipher.AEAD {
	c, err := chacha20poly1305.NewX(l.key)
	if err != nil {
		panic("keys: " + err.Error()) // a key of 32 bytes is never refused
	}
	return c
}

// SealLog encrypts one record of the rescue log, of at most 1 MiB. Append what it
// returns to the log as it is. Equal records are sealed differently.
// Errors: ErrLog.
func (k Keyring) SealLog(plain []byte) ([]byte, error) {
	if len(plain) > maxRecord {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrLog, len(plain), maxRecord)
	}
	sealed := make([]byte, logHead, logHead+len(plain)+chacha20poly1305.Overhead)
	copy(sealed, k.log.name)
	if _, err := rand.Read(sealed[logName:]); err != nil {
		return nil, fmt.Errorf("keys: no randomness: %w", err)
	}
	sealed = k.log.cipher().Seal(sealed, sealed[logName:logHead], plain, k.log.name)
	return append(logText.AppendEncode([]byte("\n"), sealed), '\n'), nil
}

// OpenLog returns, in order, every record of a log that is whole and ours, and
// an error about the first line that another mnemonic sealed, or else about the
// first that is not whole, if there is one.
// Errors: ErrNotYours, ErrLog.
func (k Keyring) OpenLog(log []byte) (records [][]byte, err error) {
	line := 0
	for text := range bytes.Lines(log) {
		line++
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		plain, bad := k.openRecord(text)
		if bad == nil {
			records = append(records, plain)
		} else if err == nil || (errors.Is(bad, ErrNotYours) && !errors.Is(err, ErrNotYours)) {
			err = fmt.Errorf("line %d: %w", line, bad)
		}
	}
	return records, err
}

// openRecord opens one line. Errors: as OpenLog.
func (k Keyring) openRecord(text []byte) ([]byte, error) {
	if most := logText.EncodedLen(logHead + maxRecord + chacha20poly1305.Overhead); len(text) > most {
		return nil, fmt.Errorf("%w: %d characters, at most %d", ErrLog, len(text), most)
	}
	sealed, err := logText.AppendDecode(nil, text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLog, err)
	}
	if len(sealed) < logHead+chacha20poly1305.Overhead {
		return nil, fmt.Errorf("%w: %d bytes", ErrLog, len(sealed))
	}
	if !bytes.Equal(sealed[:logName], k.log.name) {
		return nil, ErrNotYours
	}
	plain, err := k.log.cipher().Open(nil, sealed[logName:logHead], sealed[logHead:], k.log.name)
	if err != nil {
		return nil, fmt.Errorf("%w: damaged or cut off", ErrLog)
	}
	return plain, nil
}
