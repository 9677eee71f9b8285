package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"photon/web/api"
)

// engine is the routes of the document with all that stands before them.
func (s *server) engine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.ContextWithFallback = true // a handler's context ends with its request
	e.ForwardedByClientIP = false
	e.Use(s.observe, s.admit)
	e.NoRoute(func(c *gin.Context) { s.refuse(c, errRoute) })
	e.NoMethod(func(c *gin.Context) { s.refuse(c, errMethod) })
	strict := api.NewStrictHandlerWithOptions(s, []api.StrictMiddlewareFunc{s.bounded, s.singly}, api.StrictGinServerOptions{
		// What the document could not see: an amount above 2^256-1, a checksum.
		RequestErrorHandlerFunc:  func(c *gin.Context, err error) { s.refuse(c, malformed(err)) },
		HandlerErrorFunc:         s.refuse,
		ResponseErrorHandlerFunc: s.unsent,
	})
	api.RegisterHandlersWithOptions(served{e, s.routes}, strict, api.GinServerOptions{
		ErrorHandler: func(c *gin.Context, err error, _ int) { s.refuse(c, malformed(err)) },
	})
	return e
}

// served registers, of all that the document has, what is served here.
type served struct {
	gin.IRouter
	routes routes
}

func (s served) register(method, path string, handlers []gin.HandlerFunc) gin.IRoutes {
	if s.routes[method+" "+path] == nil {
		return s.IRouter
	}
	return s.IRouter.Handle(method, path, handlers...)
}

func (s served) GET(path string, handlers ...gin.HandlerFunc) gin.IRoutes {
	return s.register(http.MethodGet, path, handlers)
}

func (s served) POST(path string, handlers ...gin.HandlerFunc) gin.IRoutes {
	return s.register(http.MethodPost, path, handlers)
}

func (s served) PUT(path string, handlers ...gin.HandlerFunc) gin.IRoutes {
	return s.register(http.MethodPut, path, handlers)
}

func (s served) DELETE(path string, handlers ...gin.HandlerFunc) gin.IRoutes {
	return s.register(http.MethodDelete, path, handlers)
}

// malformed is an error of reading what the document let pass: refused by its
// own name when the core has one.
func malformed(err error) error {
	if _, known := problemOf(err); known {
		return err
	}
	return hidden{errInvalid, err}
}

// observe counts and logs a request, and outlives a panic in it. Neither bodies
// nor headers are logged, and of the path only the route.
func (s *server) observe(c *gin.Context) {
	began := time.Now()
	defer func() {
		if p := recover(); p != nil {
			s.panicked(c, p)
		}
		operation := "none"
		if route := s.routes.find(c); route != nil {
			operation = route.Operation.OperationID
		}
		took := time.Since(began)
		s.figures.answered(operation, c.Writer.Status(), took)
		s.Log.Debug("answered", "operation", operation, "status", c.Writer.Status(), "took", took)
	}()
	c.Next()
}

// panicked answers for a handler that panicked. The stack is for the log.
func (s *server) panicked(c *gin.Context, p any) {
	s.figures.panics.Inc()
	s.Log.Error("panicked", "route", c.FullPath(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	c.Abort()
	if !c.Writer.Written() {
		problem, _ := problemOf(errors.New("panic"))
		write(c, problem)
	}
}

// admit lets a request through that may be answered and is as the document says.
func (s *server) admit(c *gin.Context) {
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Cache-Control", "no-store")
	route := s.routes.find(c)
	if err := s.guard(c.Request, open(route)); err != nil {
		s.refuse(c, err)
		return
	}
	if s.board != nil {
		if err := s.board.spare(c.Request); err != nil {
			s.refuse(c, err)
			return
		}
	}
	if route == nil {
		return // NoRoute or NoMethod answers
	}
	if err := check(route, c); err != nil {
		s.refuse(c, err)
	}
}

// refuse answers with the problem that err is. What is our fault, and what is
// hidden from the caller, is logged here and nowhere else.
func (s *server) refuse(c *gin.Context, err error) {
	problem, known := problemOf(err)
	gone := errors.Is(err, context.Canceled) && c.Request.Context().Err() != nil
	if hidden := (hidden{}); errors.As(err, &hidden) {
		s.Log.Info("refused", "route", c.FullPath(), "code", problem.Code, "err", err)
	} else if !known && !gone {
		s.Log.Error("failed", "route", c.FullPath(), "err", err)
	}
	switch problem.Status {
	case http.StatusUnauthorized:
		c.Header("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		c.Header("Retry-After", "1")
	case http.StatusTooManyRequests:
		c.Header("Retry-After", problem.Params["seconds"])
	}
	c.Abort()
	write(c, problem)
}

func write(c *gin.Context, p *Problem) {
	c.Header("Content-Type", "application/problem+json")
	c.JSON(p.Status, p.document()) // keeps a Content-Type that is set
}

// unsent is an answer that could not be written, mostly because nobody listens.
func (s *server) unsent(c *gin.Context, err error) {
	if c.Writer.Written() || c.Request.Context().Err() != nil {
		s.Log.Debug("unsent", "route", c.FullPath(), "err", err)
		return
	}
	s.refuse(c, fmt.Errorf("encode the answer: %w", err))
}

// bounded gives a handler a context of its own that ends in time. Gin uses its
// own again for the next request, so no port may see that.
func (s *server) bounded(f api.StrictHandlerFunc, operation string) api.StrictHandlerFunc {
	if operation == "StreamEvents" {
		return f // it lasts as long as its reader
	}
	return func(c *gin.Context, request any) (any, error) {
		ctx, cancel := context.WithTimeout(c.Request.Context(), s.patience)
		defer cancel()
		return f(with(c, context.WithValue(ctx, acceptKey{}, c.GetHeader("Accept"))), request)
	}
}

// singly stands before bounded and lets what acts happen once a key. It goes on
// when the caller has hung up: what he began is carried to its end.
func (s *server) singly(f api.StrictHandlerFunc, operation string) api.StrictHandlerFunc {
	return func(c *gin.Context, request any) (any, error) {
		var key string
		var body any
		switch r := request.(type) {
		case api.MakeOfferRequestObject:
			key, body = r.Params.IdempotencyKey, r.Body
		case api.TakeQuoteRequestObject:
			key, body = r.Params.IdempotencyKey, r.Body
		case api.LeaveSwapRequestObject:
			key, body = r.Params.IdempotencyKey, r.Id
		case api.SendFundsRequestObject:
			key, body = r.Params.IdempotencyKey, r.Body
		case api.OpenChannelRequestObject:
			key, body = r.Params.IdempotencyKey, r.Body
		case api.DepositChannelRequestObject:
			key, body = r.Params.IdempotencyKey, []any{r.Id, r.Body}
		case api.WithdrawChannelRequestObject:
			key, body = r.Params.IdempotencyKey, []any{r.Id, r.Body}
		case api.CloseChannelRequestObject:
			key, body = r.Params.IdempotencyKey, []any{r.Id, r.Body}
		case api.PayRequestObject:
			key, body = r.Params.IdempotencyKey, r.Body
		case api.MakeInvoiceRequestObject:
			key, body = r.Params.IdempotencyKey, r.Body
		default:
			return f(c, request)
		}
		hash, err := requestHash(operation, body)
		if err != nil {
			return nil, err
		}
		return s.once.do(c.Request.Context(), key, hash, func() (any, error) {
			return f(with(c, context.WithoutCancel(c.Request.Context())), request)
		})
	}
}

// with is a copy of c, safe to keep, whose request has the context ctx.
func with(c *gin.Context, ctx context.Context) *gin.Context {
	own := c.Copy()
	own.Request = c.Request.WithContext(ctx)
	return own
}

type acceptKey struct{}

// wantsCSV reports whether the caller of ctx named CSV before JSON.
func wantsCSV(ctx context.Context) bool {
	accept, _ := ctx.Value(acceptKey{}).(string)
	for one := range strings.SplitSeq(accept, ",") {
		media, _, _ := strings.Cut(one, ";")
		switch strings.ToLower(strings.TrimSpace(media)) {
		case "text/csv":
			return true
		case "application/json":
			return false
		}
	}
	return false
}
