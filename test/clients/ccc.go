package clients

import (
	"context"
	"path/filepath"
	"strings"
)

// After CCC the control connection goes on in clear text (RFC 4217 §12.3). Each
// client below says it once it has logged in.

// CCC does the steps as Run does, after CCC. curl waits for the server's
// close_notify and sends none, or sends its own first.
func (c Curl) CCC(ctx context.Context, target Target, first bool, steps []Step) (string, error) {
	mode := "passive"
	if first {
		mode = "active"
	}
	var parts []string
	for _, step := range steps {
		parts = append(parts, c.common(target)+"ftp-ssl-ccc\nftp-ssl-ccc-mode = "+mode+"\n"+c.step(target, step))
	}
	return c.run(ctx, strings.NewReader(strings.Join(parts, "next\n")), "--disable", "--config", "-")
}

// CCC does the steps as Run does, after CCC.
func (c LFTP) CCC(ctx context.Context, target Target, steps []Step) (string, error) {
	script := "set ftp:ssl-use-ccc yes\n" + c.session(target)
	for _, step := range steps {
		script += c.step(step) + "\n"
	}
	return c.run(ctx, strings.NewReader(script), "--norc")
}

// CCC uploads and downloads a file, after CCC: the steps must be those two.
func (c Ftplib) CCC(ctx context.Context, target Target, steps []Step) (string, error) {
	mode := "passive"
	if target.Active {
		mode = "active"
	}
	script := filepath.Join(filepath.Dir(c.steps), "ftplib_ccc.py")
	args := []string{script, target.host(), target.port(), target.User, target.Password, target.CA, mode}
	for _, step := range steps {
		args = append(args, step.Local, step.Remote)
	}
	return c.run(ctx, nil, args...)
}
