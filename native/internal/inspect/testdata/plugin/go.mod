module example.com/echo.v1

go 1.26.0

require github.com/lf-edge/ekuiper/contract/v2 v2.3.1
