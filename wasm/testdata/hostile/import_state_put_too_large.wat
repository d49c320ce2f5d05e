;; end: deadline|bad result
;; requires: state
(module (import "vanth" "state_put" (func $put (param i32 i32 i32 i32) (result i32))) (memory 256)
  (func (export "f") (loop $l (drop (call $put (i32.const 0) (i32.const 0x1000000) (i32.const 0) (i32.const 0x1000000))) (br $l))))
