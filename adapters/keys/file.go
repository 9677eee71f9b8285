package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"filippo.io/age"
)

// Why a file of keys is refused.
var (
	ErrPassphrase  = errors.New("wrong passphrase")
	ErrFile        = errors.New("not a file of keys")
	ErrPermissions = errors.New("readable by other users of this machine")
)

const (
	heading = "photon keys 1\n" // first line of what is encrypted; the mnemonic is the second
	maxFile = 64 << 10          // bytes; a file of ours has about 300

	work     = 18 // scrypt's N is 2^work: about a second and 256 MiB for each guess
	workFast = 10 // milliseconds
	workMax  = 20 // a file that asks for more is not ours
)

// An Option changes how Create encrypts.
type Option func(*int)

// FastUnlock makes the passphrase a thousand times cheaper to guess and the file
// quick to open: for development networks and tests only.
func FastUnlock() Option { return func(logN *int) { *logN = workFast } }

// Create writes mnemonic to a new file at path, encrypted with passphrase in the
// format of age, readable by us alone. A file that exists is never overwritten.
// Errors: as Restore; ErrPassphrase when it is empty; fs.ErrExist.
func Create(path, mnemonic, passphrase string, options ...Option) (*Keyring, error) {
	k, err := Restore(mnemonic)
	if err != nil {
		return nil, err
	}
	sealed, err := encrypt(mnemonic, passphrase, options...)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	_, err = f.Write(sealed)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("keys: write %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return k, nil
}

// Open reads the file that Create wrote. Errors: ErrPassphrase, ErrFile,
// ErrPermissions, fs.ErrNotExist.
func Open(path, passphrase string) (*Keyring, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	defer f.Close() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%w: %s", ErrFile, path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%w: %s has mode %03o: run chmod 600 on it", ErrPermissions, path, mode)
	}
	sealed, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, fmt.Errorf("keys: read %s: %w", path, err)
	}
	mnemonic, err := decrypt(sealed, passphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return Restore(mnemonic)
}

// encrypt gives the bytes of a file of keys. Errors: as Create.
func encrypt(mnemonic, passphrase string, options ...Option) ([]byte, error) {
	mnemonic, err := tidy(mnemonic)
	if err != nil {
		return nil, err
	}
	if passphrase == "" {
		return nil, fmt.Errorf("%w: it is empty", ErrPassphrase)
	}
	logN := work
	for _, o := range options {
		o(&logN)
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("keys: passphrase: %w", err)
	}
	recipient.SetWorkFactor(logN)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipient)
	if err != nil {
		return nil, fmt.Errorf("keys: encrypt: %w", err)
	}
	_, err = io.WriteString(w, heading+mnemonic+"\n")
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("keys: encrypt: %w", err)
	}
	return sealed.Bytes(), nil
}

// decrypt reads the mnemonic from what encrypt gave. Errors: ErrPassphrase,
// ErrFile.
func decrypt(sealed []byte, passphrase string) (string, error) {
	if passphrase == "" {
		return "", fmt.Errorf("%w: it is empty", ErrPassphrase)
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return "", fmt.Errorf("keys: passphrase: %w", err)
	}
	identity.SetMaxWorkFactor(workMax)
	r, err := age.Decrypt(bytes.NewReader(sealed), identity)
	if isWrong(err) {
		return "", ErrPassphrase
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrFile, err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return "", fmt.Errorf("%w: damaged: %w", ErrFile, err)
	}
	mnemonic, ok := strings.CutPrefix(string(plain), heading)
	if !ok {
		return "", fmt.Errorf("%w: its first line is not %q", ErrFile, strings.TrimSpace(heading))
	}
	if mnemonic, err = tidy(mnemonic); err != nil {
		return "", fmt.Errorf("%w: %w", ErrFile, err)
	}
	return mnemonic, nil
}

// isWrong reports whether the file is for a passphrase, but not for ours.
func isWrong(err error) bool {
	var none *age.NoIdentityMatchError
	return errors.As(err, &none) && len(none.StanzaTypes) == 1 && none.StanzaTypes[0] == "scrypt"
}

// syncFolder makes the name of a new file last.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be flushed there
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
