package policy_test

import (
	"path"
	"strings"
	"testing"

	"github.com/ftpsproxy/ftpsproxy/ftpparse"
	"github.com/ftpsproxy/ftpsproxy/policy"
)

// tree are the directories of an imagined server.
func tree(directory string) []string {
	switch directory {
	case "/":
		return []string{"incoming", "finance", "x.exe"}
	case "/incoming":
		return []string{"a", "sub", "secret", "-la", "finance"}
	case "/finance", "/incoming/sub", "/incoming/secret":
		return []string{"a", "b c", "x.php"}
	}
	return nil
}

// shellGlob resolves a path as csh and glob(3) do: braces, "~", wildcards,
// backslashes. What matches nothing stands for itself.
func shellGlob(directory, s string) []string {
	var found []string
	for _, s := range expandBraces(s, 0) {
		if strings.HasPrefix(s, "~") && !strings.HasPrefix(s, "~$") { // no user is called "$…"
			found = append(found, "/home")
			continue
		}
		at := directory
		if strings.HasPrefix(s, "/") {
			at = "/"
		}
		found = append(found, walk(at, strings.Split(s, "/"))...)
	}
	return found
}

func walk(at string, components []string) []string {
	if len(components) == 0 {
		return []string{at}
	}
	component, rest := components[0], components[1:]
	if !strings.ContainsAny(component, "*?[") {
		return walk(path.Join(at, strings.ReplaceAll(component, `\`, "")), rest)
	}
	var found []string
	for _, name := range append(tree(at), "..") {
		hidden := name[0] == '.' && component[0] != '.'
		if ok, err := path.Match(component, name); err == nil && ok && !hidden {
			found = append(found, walk(path.Join(at, name), rest)...)
		}
	}
	return found
}

func expandBraces(s string, depth int) []string {
	open := strings.IndexByte(s, '{')
	if open < 0 || depth > 4 {
		return []string{s}
	}
	level, start := 0, open+1
	var parts []string
	for i := open; i < len(s); i++ {
		switch s[i] {
		case '{':
			level++
		case ',':
			if level == 1 {
				parts, start = append(parts, s[start:i]), i+1
			}
		case '}':
			if level--; level == 0 {
				var all []string
				for _, part := range append(parts, s[start:i]) {
					all = append(all, expandBraces(s[:open]+part+s[i+1:], depth+1)...)
				}
				return all
			}
		}
	}
	return []string{s}
}

// servers are how servers may read a path, each on its own.
func servers(directory, argument string) []string {
	resolve := func(s string) string {
		if strings.HasPrefix(s, "/") {
			return path.Clean(s)
		}
		return path.Join(directory, s)
	}
	trimmed := strings.Trim(argument, " \t")
	unquoted := strings.ReplaceAll(trimmed, `"`, "")
	drive := trimmed
	if len(drive) > 1 && drive[1] == ':' && (drive[0]|0x20 >= 'a' && drive[0]|0x20 <= 'z') {
		drive = drive[2:]
	}
	found := []string{
		resolve(argument), resolve(strings.TrimLeft(argument, " \t")), resolve(trimmed), resolve(unquoted),
		resolve(strings.ReplaceAll(trimmed, `\`, "/")), resolve(strings.ReplaceAll(drive, `\`, "/")),
	}
	found = append(found, shellGlob(directory, argument)...)
	return append(found, shellGlob(directory, trimmed)...)
}

// FuzzServers imagines servers that read paths in their own ways: what is
// allowed in one place is nowhere else on any of them.
func FuzzServers(f *testing.F) {
	for _, argument := range []string{
		"a", "../finance/a", "{/finance/a,b}", "f*/a", "..\\finance\\a", `"/finance/a"`, "~", ".*/finance/a", `\.\./finance/a`, "{.,a}./finance",
		" /finance/a", "C:\\finance\\a", "se?ret/a", "*", "sub/[a-c]", "x{a,b}.txt", "[draft].pdf", "-la ../finance", "a /finance", "-R", "{secret}", "s{e}cret/a",
	} {
		f.Add(argument)
	}
	p := compile(f, besieged)
	f.Fuzz(func(t *testing.T, argument string) {
		if len(argument) > 60 {
			return
		}
		for _, verb := range []string{"RETR", "STOR", "DELE", "LIST", "MLST", "SITE CHMOD 644"} {
			c, err := ftpparse.ParseCommand([]byte(verb + " " + argument))
			if err != nil {
				return
			}
			q := policy.Request{Command: c, Directory: "/incoming"}
			if !p.Decide(q).Passes() {
				continue
			}
			places := servers("/incoming", argument)
			if verb == "LIST" {
				places = nil
				for _, word := range strings.FieldsFunc(argument, func(r rune) bool { return strings.ContainsRune(" \t\v\f", r) }) {
					if word[0] != '-' {
						places = append(places, servers("/incoming", word)...)
					}
				}
			}
			for _, place := range places {
				if place != "/incoming" && !strings.HasPrefix(place, "/incoming/") || strings.HasPrefix(place+"/", "/incoming/secret/") {
					t.Fatalf("%s %q is allowed, and some server takes it for %q: %s", verb, argument, place, readings(p.Explain(q)))
				}
			}
		}
	})
}
