package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
)

// Commands says lines in one session over explicit FTPS, and returns the last reply
// to each. A line that moves a file brings or gets a few bytes.
func (c Ftplib) Commands(ctx context.Context, target Target, lines []string) ([]string, error) {
	work, err := json.Marshal(struct {
		Host, Port string
		Target     Target
		Lines      []string
	}{target.host(), target.port(), target, lines})
	if err != nil {
		return nil, err
	}
	script := filepath.Join(filepath.Dir(c.steps), "ftplib_commands.py")
	cmd := c.Command(ctx, script)
	cmd.Stdin = bytes.NewReader(work)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, c.explain(err, said.String())
	}
	var replies []string
	if err := json.Unmarshal(out, &replies); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return replies, nil
}
