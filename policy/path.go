package policy

import "strings"

// clean appends the absolute, cleaned form of argument to dst: what path.Clean
// makes of it once it has been joined to the absolute directory. It never holds
// "." or ".." or an empty component, and has no slash at its end unless it is
// "/". The bytes are compared as they are: neither case nor Unicode's normal
// forms are folded, and symbolic links are the upstream's own affair.
//
// It appends so that deciding needs no memory of its own.
func clean(dst []byte, directory, argument string) []byte {
	start := len(dst)
	if !strings.HasPrefix(argument, "/") {
		dst = descend(dst, start, directory)
	}
	dst = descend(dst, start, argument)
	if len(dst) == start {
		dst = append(dst, '/')
	}
	return dst
}

// descend walks from the cleaned path in dst[start:] along path, as from the
// directory of that name. The root is the empty path meanwhile.
func descend(dst []byte, start int, path string) []byte {
	for path != "" {
		var component string
		component, path, _ = strings.Cut(path, "/")
		switch component {
		case "", ".":
		case "..":
			dst = ascend(dst, start)
		default:
			dst = append(dst, '/')
			dst = append(dst, component...)
		}
	}
	return dst
}

// ascend cuts the last component off; above the root is the root.
func ascend(dst []byte, start int) []byte {
	end := len(dst)
	for end > start {
		end--
		if dst[end] == '/' {
			break
		}
	}
	return dst[:end]
}

// isAbsolute tells whether path rules can stand on a working directory. One
// that does not start with a slash ("C:\data", "DKA0:[DATA]") is as good as
// unknown: how arguments are joined to it only the upstream knows.
func isAbsolute(directory string) bool {
	return strings.HasPrefix(directory, "/") && !hasControl(directory)
}

// hasControl tells whether s holds a byte that ends a line, or a string in C:
// behind it, the upstream may read something else than we do.
func hasControl(s string) bool { return strings.ContainsAny(s, "\x00\r\n") }
