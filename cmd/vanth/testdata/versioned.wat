;; A plugin whose function answers the version of its module: tests make
;; version n by writing n over the four bytes "VERS".
(module
  (memory 1)
  (data (i32.const 0) "VERS")
  (func (export "NAME") (result i32) (i32.load (i32.const 0))))
