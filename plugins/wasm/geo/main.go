// Geo is a sample plugin: geohashes and distances on the globe. See readme.md.
package main

import vanth "github.com/vanth-io/vanth/sdk/go"

func init() {
	vanth.Try3("geohash", encode)
	vanth.Try1("geohash_decode", func(hash string) (map[string]float64, error) {
		c, err := decode(hash)
		if err != nil {
			return nil, err
		}
		return map[string]float64{"lat": c.lat, "lon": c.lon, "lat_err": c.latErr, "lon_err": c.lonErr}, nil
	})
	vanth.Try4("distance", distance)
}

func main() {}
