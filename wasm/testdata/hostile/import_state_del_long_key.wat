;; end: deadline|trap|bad memory reference
;; requires: state
(module (import "vanth" "state_del" (func $del (param i32 i32) (result i32))) (memory 256)
  (func (export "f") (loop $l (drop (call $del (i32.const 0) (i32.const 0x1000000))) (br $l))))
