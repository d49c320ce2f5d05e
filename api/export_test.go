package api

// RouteKeys lists the table as "METHOD path", for the test that compares it
// with openapi.yaml.
func RouteKeys() (list []string) {
	for _, r := range routes() {
		list = append(list, r.method+" "+r.path)
	}
	return list
}

// RouteDoc returns what the table says of a route.
func RouteDoc(key string) string {
	for _, r := range routes() {
		if r.method+" "+r.path == key {
			return r.doc
		}
	}
	return ""
}

// Distribution reads an os-release file.
func Distribution(release string) string { return distribution(release) }
