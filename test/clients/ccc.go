package clients

import (
	"context"
	"path/filepath"
)

// CCC logs in, ends TLS on the control connection (RFC 4217 §12.3), and then has
// the file upload stored as up.bin and kept.bin stored in the file download. It
// returns the conversation.
func (c Ftplib) CCC(ctx context.Context, target Target, upload, download string) (string, error) {
	mode := "passive"
	if target.Active {
		mode = "active"
	}
	script := filepath.Join(filepath.Dir(c.steps), "ftplib_ccc.py")
	return c.run(ctx, nil, script, target.host(), target.port(), target.User, target.Password,
		target.CA, mode, upload, download)
}
