package keys

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// A Journal is a file of sealed records that only grows. Each record is on the
// disk before Append returns. Keep a copy of the file elsewhere: with it and the
// mnemonic, swaps under way are found again after a lost disk.
type Journal struct {
	ring *Keyring
	mu   sync.Mutex
	file *os.File
}

// OpenJournal opens the file at path, or makes it, mode 0600. Errors:
// ErrPermissions when others may read it.
func (k *Keyring) OpenJournal(path string) (*Journal, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	info, err := file.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		err = fmt.Errorf("%w: %s has mode %03o: run chmod 600 on it", ErrPermissions, path, info.Mode().Perm())
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), file.Close())
	}
	return &Journal{ring: k, file: file}, nil
}

// Append seals records and writes them, durable when it returns.
func (j *Journal) Append(records ...[]byte) error {
	var text []byte
	for _, r := range records {
		sealed, err := j.ring.SealLog(r)
		if err != nil {
			return err
		}
		text = append(text, sealed...)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Write(text); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// Records returns every record, oldest first. One that a crash cut off was never
// promised to anybody and is left out; one of another mnemonic is an error.
// Errors: ErrNotYours.
func (j *Journal) Records() ([][]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	text, err := io.ReadAll(j.file)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	records, err := j.ring.OpenLog(text)
	if errors.Is(err, ErrLog) {
		err = nil
	}
	return records, err
}

// Join adds the records of a copy of a journal. Those that are there already do
// no harm. Errors: ErrNotYours; ErrLog when nothing in it is whole.
func (j *Journal) Join(text []byte) (int, error) {
	records, err := j.ring.OpenLog(text)
	if errors.Is(err, ErrNotYours) || (err != nil && len(records) == 0) {
		return 0, err
	}
	return len(records), j.Append(records...)
}

// Close gives back the file.
func (j *Journal) Close() error { return j.file.Close() }
