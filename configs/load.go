package configs

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
)

// maxFile bounds one configuration file: a person's file has kilobytes, and a
// mistaken path to a log or a device must not fill the memory.
const maxFile = 4 << 20

// Load reads one file, or all *.hcl of a folder as if they were one. Settings
// are nil exactly if the diagnostics hold an error. Relative paths in a file
// are relative to the folder that holds it.
func Load(path string) (*Settings, Diagnostics) {
	files, err := read(path)
	if err != nil {
		unreadable := problem(hcl.DiagError, hcl.Range{}, mistake{summary: fmt.Sprintf("the configuration cannot be read: %v", err)})
		return nil, newDiagnostics(hcl.Diagnostics{unreadable}, nil)
	}
	return decode(files)
}

// decode is Load once the files are in memory.
func decode(files []source) (*Settings, Diagnostics) {
	d := newDecoder()
	for _, f := range files {
		d.file(f)
	}
	d.crossCheck()
	if d.diags.HasErrors() && !d.damaged {
		d.diags = append(d.diags, d.settings.check()...) // all mistakes in one run
	}
	diags := newDiagnostics(d.diags, d.settings.sources)
	diags.list = legible(diags.list, diags.sources)
	if diags.HasErrors() {
		return nil, diags
	}
	return d.settings, diags
}

// maxReading bounds the text that printing diagnostics reads: HCL counts the
// characters of a file from its start for each one, so that a damaged file of
// megabytes, with a mistake in every line, would take hours.
const maxReading = 16 << 20

// legible drops the diagnostics that would take too long to print, and says so.
func legible(list hcl.Diagnostics, files sources) hcl.Diagnostics {
	left := maxReading
	for i, diag := range list {
		if diag.Subject == nil || files[diag.Subject.Filename] == nil {
			continue
		}
		if left -= len(files[diag.Subject.Filename].Bytes); left >= 0 {
			continue
		}
		rest := problem(hcl.DiagWarning, hcl.Range{}, mistake{
			"Too many diagnostics", fmt.Sprintf("%d further diagnostics are left out.", len(list)-i),
		})
		if list[i:].HasErrors() {
			rest.Severity = hcl.DiagError
		}
		return append(list[:i:i], rest)
	}
	return list
}

// source is one file's name and text.
type source struct {
	name string
	text []byte
}

// read returns the file, or the folder's *.hcl in the order of their names.
func read(path string) ([]source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	names := []string{path}
	if info.IsDir() {
		if names, err = hclFiles(path); err != nil {
			return nil, err
		}
	}
	var files []source
	for _, name := range names {
		text, err := readFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, source{name: name, text: text})
	}
	return files, nil
}

func hclFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && filepath.Ext(e.Name()) == ".hcl" && e.Name()[0] != '.' {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("the folder %s holds no *.hcl file", dir)
	}
	return names, nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("larger than %d bytes", maxFile)}
	}
	return text, err
}

// file decodes one file. What the parser could not read does not keep the rest
// from being checked.
func (d *decoder) file(f source) {
	parsed, diags := parse(f)
	d.diags = append(d.diags, diags...)
	d.damaged = d.damaged || diags.HasErrors()
	shown := *parsed
	shown.Bytes = hideSecrets(parsed.Bytes, diags.HasErrors())
	d.settings.sources[f.name] = &shown
	d.dir = filepath.Dir(f.name)
	d.body(parsed.Body, d.fileSpec())
}
