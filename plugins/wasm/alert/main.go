// Alert is a sample plugin: a function that finds anomalies, and a sink that tells somebody over
// HTTP. See readme.md.
package main

import vanth "github.com/vanth-io/vanth/sdk/go"

func init() {
	vanth.Try3("anomaly", anomaly)
	vanth.SinkFunc("webhook", openWebhook)
}

func main() {}
