package scenario

var puppetVerbs = map[string]*verb{}

// A puppet is somebody who follows no rules.
type puppet struct{}
