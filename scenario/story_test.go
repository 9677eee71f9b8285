package scenario

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// told plays a story in a simulated world of its own and returns the world.
func told(t *testing.T, s Story, patient bool, prepare func(*simulated)) (w *simulated, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if w, err = newSimulated(ctx, s.Chains()); err != nil {
			return
		}
		w.pays = s.Pays()
		if prepare != nil {
			prepare(w)
		}
		if err = play(ctx, s, w, patient); err == nil {
			err = w.rest(6 * time.Hour)
		}
		if broken := w.close(); err == nil {
			err = broken
		}
	})
	return w, err
}

// stories are those of testdata.
func stories(t *testing.T) []Story {
	t.Helper()
	all, err := ReadStories("testdata")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no stories")
	}
	return all
}

func TestStories(t *testing.T) {
	for _, s := range stories(t) {
		t.Run(s.Name, func(t *testing.T) {
			w, err := told(t, s, false, nil)
			if err != nil {
				t.Errorf("%v\n%s\n%s", err, w.log, strings.Join(w.points, "\n"))
			}
		})
	}
}
