package api

// audit logs a request that changes the host, or was to, once its status is
// known: no query and no body, which hold what is the plugin's. Calls of
// functions are not logged, since there is one for each row.
func (s *Server) audit(r *request) {
	if !s.opts.Audit || r.route == nil || r.route.is(safe) || r.route.is(runs) {
		return
	}
	args := []any{
		"method", r.route.method, "path", string(r.ctx.URI().PathOriginal()),
		"status", r.ctx.Response.StatusCode(), "remote", r.ctx.RemoteAddr().String(),
	}
	if r.issuer != "" {
		args = append(args, "issuer", r.issuer)
	}
	s.opts.Log.Info("audit", args...)
}
