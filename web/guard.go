package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// guard says why r may not be answered at all. open is whether its route needs
// no token. Errors: errHost, errOrigin, errToken.
func (s *server) guard(r *http.Request, open bool) error {
	name, err := hostName(r.Host)
	if err != nil {
		return err
	}
	if s.board == nil && !s.mayAsk(name) { // a board has nothing to hide from any page
		return fmt.Errorf("%w: %.60q", errHost, name)
	}
	// A page of this host may ask, no other: there is no cookie to abuse, and no
	// reason to listen either.
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, r.Host) {
			return fmt.Errorf("%w: %.60q", errOrigin, origin)
		}
	}
	if open || s.knows(r.Header.Get("Authorization")) {
		return nil
	}
	return errToken
}

// hostName is the name or address in a Host header, in lower case, without the
// port and without the brackets of IPv6. Errors: errHost.
func hostName(host string) (string, error) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, "80"
		if strings.HasPrefix(host, ":") || strings.Count(host, ":") > 1 {
			name = "" // unless it stands in brackets
		}
		if inner, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(inner, "]") {
			name = strings.TrimSuffix(inner, "]")
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || name == "" || strings.ContainsAny(name, "[]/@%") {
		return "", fmt.Errorf("%w: %.60q", errHost, host)
	}
	return strings.ToLower(name), nil
}

// mayAsk reports whether the API may be asked under name: a page elsewhere can
// make its own name point at us, but it cannot make a browser send another name.
func (s *server) mayAsk(name string) bool {
	if name == "localhost" || slices.ContainsFunc(s.Hosts, func(h string) bool { return strings.EqualFold(h, name) }) {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback() && !ip.Is4In6()
}

// knows compares the token in constant time, whatever its length.
func (s *server) knows(authorization string) bool {
	scheme, token, _ := strings.Cut(authorization, " ")
	given, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.Token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(given[:], want[:]) == 1
}
