package policy

import (
	"errors"
	"strings"
)

// A pathGlob matches absolute, cleaned paths. "**" between two slashes is any
// number of components, none included: "/incoming/**" is the directory itself
// and all that is below it, "**/*.exe" is every path that ends so. All else
// stays within a component.
type pathGlob struct {
	source       string
	alternatives []route
}

// A route is a path glob without braces.
type route struct {
	segments []segment
	head     int    // segments in front of the first "**"; all, when there is none
	prefix   string // what every path that matches starts with
	suffix   string // what it ends with
}

var (
	errRelativePattern = errors.New(`a path pattern starts with "/" or with "**/", since it is compared with absolute paths`)
	errUncleanPattern  = errors.New(`a path pattern holds no "." or "..", no "//" and no "/" at its end, since it is compared with cleaned paths`)
	errDeepInside      = errors.New(`"**" stands alone between slashes, as in "/incoming/**" or "**/*.exe"`)
)

func newPathGlob(source string) (*pathGlob, error) {
	texts, err := expand(source)
	if err != nil {
		return nil, err
	}
	g := &pathGlob{source: source}
	for _, text := range texts {
		r, err := newRoute(text)
		if err != nil {
			return nil, err
		}
		g.alternatives = append(g.alternatives, r)
	}
	return g, nil
}

func newRoute(source string) (route, error) {
	inside, absolute := strings.CutPrefix(source, "/")
	if !absolute && source != "**" && !strings.HasPrefix(source, "**/") {
		return route{}, errRelativePattern
	}
	r := route{}
	if inside == "" {
		return r, nil
	}
	for part := range strings.SplitSeq(inside, "/") {
		s, err := newComponent(part)
		if err != nil {
			return route{}, err
		}
		r.segments = append(r.segments, s)
	}
	r.measure()
	return r, nil
}

func newComponent(part string) (segment, error) {
	switch {
	case part == "" || part == "." || part == "..":
		return segment{}, errUncleanPattern
	case part == "**":
		return segment{deep: true}, nil
	case strings.Contains(part, "**"):
		return segment{}, errDeepInside
	}
	return newSegment(part, false)
}

// measure fills in head, prefix and suffix.
func (r *route) measure() {
	r.head = len(r.segments)
	r.prefix = fixedPrefix(r.segments)
	r.suffix = r.segments[len(r.segments)-1].tail()
	for i, s := range r.segments {
		if s.deep {
			r.head = i
			break
		}
	}
}

// fixedPrefix is cut off in front of the first wildcard. "**" may stand for
// nothing, with the slash in front of it.
func fixedPrefix(segments []segment) string {
	var b strings.Builder
	for _, s := range segments {
		if s.deep {
			break
		}
		b.WriteByte('/')
		if s.tokens[0].kind == tokenLiteral {
			b.WriteString(s.tokens[0].literal)
		}
		if len(s.tokens) > 1 || s.tokens[0].kind != tokenLiteral {
			break
		}
	}
	return b.String()
}

func (g *pathGlob) match(path []byte) bool {
	for i := range g.alternatives {
		// Most rules are about another place, which the first or last bytes show.
		r := &g.alternatives[i]
		if startsWith(path, r.prefix) && endsWith(path, r.suffix) && r.match(path, false) {
			return true
		}
	}
	return false
}

func startsWith(path []byte, prefix string) bool {
	return len(path) >= len(prefix) && string(path[:len(prefix)]) == prefix
}

func endsWith(path []byte, suffix string) bool {
	return len(path) >= len(suffix) && string(path[len(path)-len(suffix):]) == suffix
}

// covers tells whether the directory and whatever may be below it match.
func (g *pathGlob) covers(directory []byte) bool {
	for i := range g.alternatives {
		r := &g.alternatives[i]
		if n := len(r.segments); n > 0 && r.segments[n-1].deep && r.match(directory, false) {
			return true
		}
	}
	return false
}

// reaches tells whether something below the directory may match.
func (g *pathGlob) reaches(directory []byte) bool {
	for i := range g.alternatives {
		if g.alternatives[i].reaches(directory) {
			return true
		}
	}
	return false
}

// matchChild tells whether a path may match of whose last component only the end
// is known, which is what the given path has there.
func (g *pathGlob) matchChild(path []byte) bool {
	for i := range g.alternatives {
		if g.alternatives[i].match(path, true) {
			return true
		}
	}
	return false
}

// holdsChild is holds for such a path: the directory, and the end of the name in
// it.
func (g *pathGlob) holdsChild(directory, tail []byte) bool {
	for i := range g.alternatives {
		r := &g.alternatives[i]
		if matched, whole := r.along(directory); whole && matched+1 < r.head && mayEndAlike(r.segments[matched].tail(), tail) {
			return true
		}
	}
	return false
}

// holds tells whether the directory is an ancestor of a place that the pattern
// spells out, up to its first "**": who renames the directory moves that place.
func (g *pathGlob) holds(directory []byte) bool {
	for i := range g.alternatives {
		r := &g.alternatives[i]
		if matched, whole := r.along(directory); whole && matched < r.head {
			return true
		}
	}
	return false
}

// mayEndAlike tells whether a text may end with both a and b.
func mayEndAlike(a string, b []byte) bool {
	n := min(len(a), len(b))
	return a[len(a)-n:] == string(b[len(b)-n:])
}

// passes returns a component that every path has which matches, between slashes;
// "" when there is none or the pattern spells out where it starts.
func (r *route) passes() string {
	if r.head > 0 {
		return ""
	}
	for i := range r.segments {
		if s := &r.segments[i]; len(s.tokens) == 1 && s.head() != "" {
			return "/" + s.head() + "/"
		}
	}
	return ""
}

// match walks path and pattern side by side. As within a component, only the
// last "**" is ever taken back. With open, of the path's last component only the
// end is known.
func (r *route) match(path []byte, open bool) bool {
	if !open {
		path = inside(path)
	}
	at, i := 0, 0
	deep, resume := -1, 0
	for i < len(path) {
		if at < len(r.segments) {
			s := &r.segments[at]
			if s.deep {
				at++
				if at == len(r.segments) {
					return true
				}
				deep, resume = at, i
				continue
			}
			end := component(path, i)
			alike := open && end == len(path) && mayEndAlike(s.tail(), path[i+1:])
			if alike || endsWith(path[i+1:end], s.tail()) && matchSegment(s, path[i+1:end]) {
				at, i = at+1, end
				continue
			}
		}
		if deep < 0 {
			return false
		}
		resume = component(path, resume)
		at, i = deep, resume
	}
	for at < len(r.segments) && r.segments[at].deep {
		at++
	}
	return at == len(r.segments)
}

// along walks the segments in front of the first "**" along the path. It
// returns how many matched, and whether that was the whole path.
func (r *route) along(path []byte) (matched int, whole bool) {
	path = inside(path)
	for i := 0; i < len(path); matched++ {
		end := component(path, i)
		if matched == r.head || !matchSegment(&r.segments[matched], path[i+1:end]) {
			return matched, false
		}
		i = end
	}
	return matched, true
}

// reaches is pathGlob.reaches: the path ends in front of the pattern's end, or
// inside of a "**", which goes on below.
func (r *route) reaches(directory []byte) bool {
	matched, whole := r.along(directory)
	if whole {
		return matched < len(r.segments)
	}
	return matched == r.head && r.head < len(r.segments)
}

// inside makes the root the empty path: no component.
func inside(path []byte) []byte {
	if len(path) == 1 {
		return path[:0]
	}
	return path
}

// component returns the end of the component whose slash stands at i.
func component(path []byte, i int) int {
	for i++; i < len(path) && path[i] != '/'; {
		i++
	}
	return i
}
