package native

import _ "github.com/lf-edge/ekuiper/contract/v2/api" // the plugins' side of the contract
