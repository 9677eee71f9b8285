package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/gin-gonic/gin"
)

// The most that a body may have.
const (
	maxBody  = 64 << 10 // bytes
	maxDepth = 8        // of arrays and objects in one another
)

// routes are the operations of the document by method and Gin's path.
type routes map[string]*routers.Route

// readRoutes reads and checks the document. Only operations are taken of which one
// tag is ours.
func readRoutes(raw []byte, ours func(tag string) bool) (routes, error) {
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		return nil, fmt.Errorf("web: read openapi.yaml: %w", err)
	}
	if err := doc.Validate(openapi3.NewLoader().Context); err != nil {
		return nil, fmt.Errorf("web: check openapi.yaml: %w", err)
	}
	// The document keeps to what 3.0 and 3.1 share. As 3.0 it is checked by the
	// built-in validator, which compiles nothing anew for each request and says
	// which field is wrong.
	doc.OpenAPI = "3.0.3"
	all := make(routes)
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if !slices.ContainsFunc(operation.Tags, ours) {
				continue
			}
			ginPath := strings.NewReplacer("{", ":", "}", "").Replace(path)
			all[method+" "+ginPath] = &routers.Route{
				Spec: doc, Path: path, PathItem: item, Method: method, Operation: operation,
			}
		}
	}
	return all, nil
}

// find returns the route of a request, or nil.
func (r routes) find(c *gin.Context) *routers.Route { return r[c.Request.Method+" "+c.FullPath()] }

// open reports whether a route says of itself that it needs no token.
func open(route *routers.Route) bool {
	return route != nil && route.Operation.Security != nil && len(*route.Operation.Security) == 0
}

// check holds a request against its operation in the document.
// Errors: errInvalid, errLarge, errMedia.
func check(route *routers.Route, c *gin.Context) error {
	r := c.Request
	if err := readBody(c.Writer, r, route.Operation.RequestBody != nil); err != nil {
		return err
	}
	for name, values := range r.URL.Query() {
		if route.Operation.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) == nil {
			return tell(fmt.Errorf("%w: unknown parameter %.40q", errInvalid, name), "field", name)
		}
		if len(values) > 1 {
			return tell(fmt.Errorf("%w: parameter %.40q is given twice", errInvalid, name), "field", name)
		}
	}
	params := make(map[string]string, len(c.Params))
	for _, p := range c.Params {
		params[p.Key] = p.Value
	}
	return explain(openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true},
	}))
}

// readBody takes the whole body into memory and sees that it is JSON that can
// be read in one way only. Errors: errInvalid, errLarge, errMedia.
func readBody(w http.ResponseWriter, r *http.Request, wanted bool) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return fmt.Errorf("%w: above %d bytes", errLarge, maxBody)
	}
	if err != nil {
		return fmt.Errorf("%w: the body ended early", errInvalid)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	if len(raw) == 0 {
		return nil // the document says whether one is needed
	}
	if !wanted {
		return fmt.Errorf("%w: a body where none belongs", errInvalid)
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return fmt.Errorf("%w: encoded as %.40q", errMedia, e)
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return fmt.Errorf("%w: Content-Type %.60q", errMedia, r.Header.Get("Content-Type"))
	}
	return plain(raw)
}

// plain reports what would let two readers of raw understand two things, or
// tire one: text that is not UTF-8, deep nesting, a field twice, bytes behind the
// end. Errors: errInvalid.
func plain(raw []byte) error {
	if !utf8.Valid(raw) {
		return fmt.Errorf("%w: the body is not UTF-8", errInvalid)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := plainValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: bytes behind the end of the body", errInvalid)
	}
	return nil
}

func plainValue(d *json.Decoder, depth int) error {
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("%w: the body is not JSON", errInvalid)
	}
	open, nested := token.(json.Delim)
	if !nested {
		return nil
	}
	if depth == maxDepth {
		return fmt.Errorf("%w: nested deeper than %d", errInvalid, maxDepth)
	}
	names := make(map[string]bool)
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return fmt.Errorf("%w: the body is not JSON", errInvalid)
			}
			key := name.(string) // the decoder gives nothing else before a colon
			if names[key] {
				return tell(fmt.Errorf("%w: field %.40q is given twice", errInvalid, key), "field", key)
			}
			names[key] = true
		}
		if err := plainValue(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("%w: the body is not JSON", errInvalid)
	}
	return nil
}

// explain turns what the validator found into a refusal that names the field
// and the rule, and never repeats the value.
func explain(err error) error {
	if err == nil {
		return nil
	}
	var request *openapi3filter.RequestError
	if !errors.As(err, &request) {
		return fmt.Errorf("%w", errInvalid)
	}
	field, in := "", "body"
	if request.Parameter != nil {
		field, in = request.Parameter.Name, request.Parameter.In
	}
	reason := request.Reason
	var schema *openapi3.SchemaError
	if errors.As(err, &schema) {
		if in == "body" {
			field = strings.Join(schema.JSONPointer(), "/")
		}
		reason = schema.Reason
	} else if errors.Is(err, openapi3filter.ErrInvalidRequired) {
		reason = "it is missing"
	}
	where := in
	if field != "" {
		where = fmt.Sprintf("%s, %.60q", in, field)
	}
	return tell(fmt.Errorf("%w: %s: %s", errInvalid, where, reason), "in", in, "field", field)
}
