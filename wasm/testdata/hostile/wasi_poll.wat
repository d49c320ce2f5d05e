;; end: deadline
;; As many subscriptions as the memory holds, to clocks that have run down.
(module (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32))) (memory 256)
  (func (export "f") (loop $l (drop (call $poll (i32.const 16) (i32.const 16) (i32.const 349000) (i32.const 0))) (br $l))))
