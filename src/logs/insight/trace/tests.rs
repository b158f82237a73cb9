use proptest::prelude::*;

use super::*;

/// The key of a trace whose first line is the head.
#[track_caller]
fn key_of(text: &str) -> String {
    let (head, more) = text.split_once('\n').unwrap_or((text, ""));
    let trace = key(head.as_bytes(), more.as_bytes()).unwrap_or_else(|| panic!("no trace in {text}"));
    let mut out = Vec::new();
    trace.write_key(&mut out);
    String::from_utf8(out).expect("UTF-8 in, UTF-8 out")
}

#[track_caller]
fn no_key(text: &str) {
    let (head, more) = text.split_once('\n').unwrap_or((text, ""));
    assert_eq!(key(head.as_bytes(), more.as_bytes()), None, "{text}");
}

const JAVA: &str = "Request failed: org.springframework.web.util.NestedServletException: Handler failed
\tat org.springframework.web.servlet.FrameworkServlet.processRequest(FrameworkServlet.java:1014)
\tat com.acme.shop.web.AuditFilter.doFilter(AuditFilter.java:31)
Caused by: com.acme.shop.OrderException: order 4711 at (now)
\tat com.acme.shop.OrderService.load(OrderService.java:88)
\tat com.acme.shop.OrderService.lambda$open$3(OrderService.java:61)
\tat java.base/java.util.Optional.map(Optional.java:260)
\tat app//com.acme.shop.OrderController$$EnhancerBySpringCGLIB$$1f2e3d.open(<generated>)
\tSuppressed: java.lang.IllegalStateException: closed
\t\tat com.acme.shop.Pool.close(Pool.java:9)
\tCaused by: java.lang.Error: aside
\t\tat com.acme.shop.Pool.open(Pool.java:1)
\t... 12 more
Caused by: java.sql.SQLTransientException: Connection refused
\tat com.acme.db.Sessions.open(Sessions.java:12) ~[app.jar:1.2]
\tat jdk.internal.reflect.GeneratedMethodAccessor77.invoke(Unknown Source)
\t... 30 common frames omitted";

#[test]
fn java_by_its_root_cause() {
    assert_eq!(key_of(JAVA), "java.sql.SQLTransientException at com.acme.db.Sessions.open");
    let (outer, _) = JAVA.split_once("\nCaused by: java.sql").expect("there");
    assert_eq!(
        key_of(outer),
        "com.acme.shop.OrderException at com.acme.shop.OrderService.load at com.acme.shop.OrderService.lambda$open at com.acme.shop.OrderController"
    );
}

#[test]
fn lines_addresses_threads_and_ordinals_make_no_difference() {
    let other = JAVA
        .replace("lambda$open$3", "lambda$open$14")
        .replace("1f2e3d", "99aa")
        .replace(":88)", ":91)")
        .replace("Accessor77", "Accessor123")
        .replace("4711", "4712");
    assert_ne!(other, JAVA);
    assert_eq!(key_of(&other), key_of(JAVA));
    let other = JAVA.replace("Sessions.open", "Sessions.close");
    assert_ne!(key_of(&other), key_of(JAVA), "another own top frame");
    let other = JAVA.replace("SQLTransientException", "SQLTimeoutException");
    assert_ne!(key_of(&other), key_of(JAVA), "another exception");
    let go = |address: &str, line: u32, goroutine: u32| {
        format!("panic: boom {address}\n\ngoroutine {goroutine} [running]:\nmain.run(0x{address}, 0x1)\n\t/app/main.go:{line} +0x{address}\n")
    };
    assert_eq!(key_of(&go("c0001", 12, 1)), key_of(&go("c0fff", 99, 77)));
    let rust = |thread: &str, line: u32| format!("thread '{thread}' panicked at src/pool.rs:{line}:9:\nno session {line}");
    assert_eq!(key_of(&rust("main", 3)), key_of(&rust("worker-7", 88)));
}

#[test]
fn java_where_nothing_of_the_cause_is_own_names_who_called() {
    let text = "Unhandled\njava.lang.RuntimeException: outer: no\n\tat com.acme.A.go(A.java:1)\nCaused by: java.io.IOException\n\tat java.base/sun.nio.ch.Net.poll(Native Method)\n\t... 9 more";
    assert_eq!(key_of(text), "java.io.IOException at com.acme.A.go");
    let text = "java.io.IOException: x\n\tat java.base/sun.nio.ch.Net.poll(Native Method)\n\tat java.base/java.lang.Thread.run(Thread.java:840)";
    assert_eq!(key_of(text), "java.io.IOException at sun.nio.ch.Net.poll");
    let text = "java.lang.X1Exception: root\n\tat com.acme.B.in(B.java:2)\nWrapped by: com.acme.OuterException: y\n\tat com.acme.A.out(A.java:1)";
    assert_eq!(key_of(text), "java.lang.X1Exception at com.acme.B.in");
}

#[test]
fn python_by_its_first_exception_and_innermost_frames() {
    let text = r#"ERROR in app: Exception on /orders [GET]
Traceback (most recent call last):
  File "/usr/lib/python3.12/site-packages/flask/app.py", line 1473, in wsgi_app
    response = self.full_dispatch_request()
               ^^^^^^^^^^^^
  File "/app/shop/views.py", line 40, in orders
    return load(request)
  File "/app/shop/store.py", line 12, in load
    db.execute(q)
  File "/usr/lib/python3.12/site-packages/psycopg/cursor.py", line 97, in execute
    raise ex
psycopg.errors.UndefinedTable: relation "a" does not exist
LINE 1: select 1

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/shop/main.py", line 3, in run
    x()
shop.StoreError: failed"#;
    assert_eq!(key_of(text), "psycopg.errors.UndefinedTable at (store.py) load at (views.py) orders");
    assert_eq!(
        key_of("Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\nKeyboardInterrupt"),
        "KeyboardInterrupt at (a.py) <module>"
    );
    let deep: String = (0..9).map(|n| format!("  File \"/app/a.py\", line {n}, in f{n}\n    g()\n")).collect();
    assert_eq!(
        key_of(&format!("Traceback (most recent call last):\n{deep}  [Previous line repeated 9 more times]\nRecursionError: deep")),
        "RecursionError at (a.py) f8 at (a.py) f7 at (a.py) f6"
    );
}

#[test]
fn go_by_its_first_goroutine() {
    let text = "panic: runtime error: index out of range [5] with length 3 [recovered]\n\tpanic: again\n[signal SIGSEGV: segmentation violation]\n\ngoroutine 34 [running]:\nruntime.gopanic({0x1234, 0x5})\n\t/usr/local/go/src/runtime/panic.go:884 +0x212\nacme.com/shop/db.(*Pool).Get(0xc000123, {0x1, 0x2})\n\t/src/db/pool.go:55 +0x1d\nacme.com/shop.run.func1.2()\n\t/src/run.go:9 +0x5\nnet/http.HandlerFunc.ServeHTTP(...)\n\t/usr/local/go/src/net/http/server.go:2136\ncreated by acme.com/shop.Start in goroutine 1\n\t/src/x.go:1 +0x1\n\ngoroutine 1 [chan receive]:\nmain.main()\n\t/src/main.go:3 +0x1";
    assert_eq!(key_of(text), "runtime error: index out of range at acme.com/shop/db.(*Pool).Get at acme.com/shop.run");
    assert_eq!(
        key_of("fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()\n\t/src/main.go:3 +0x1"),
        "all goroutines are asleep - deadlock! at main.main"
    );
    assert_eq!(
        key_of(
            "http: panic serving 10.0.0.1:5: boom\ngoroutine 9 [running]:\nnet/http.(*conn).serve.func1()\n\t/usr/local/go/src/net/http/server.go:1 +0x1\nmain.handle(...)\n\t/src/main.go:3"
        ),
        " at main.handle"
    );
}

#[test]
fn rust_with_and_without_a_backtrace() {
    assert_eq!(key_of("thread 'main' panicked at src/pool.rs:12:9:\nno session\nnote: run with `RUST_BACKTRACE=1`"), "panic at src/pool.rs");
    assert_eq!(key_of("thread 'main' panicked at 'no, ', src/pool.rs:12:9"), "panic at src/pool.rs");
    let text = "thread 'tokio-runtime-worker' panicked at src/db.rs:3:1:\nboom\nstack backtrace:\n   0: rust_begin_unwind\n             at /rustc/9fc6b/library/std/src/panicking.rs:697:5\n   1: core::panicking::panic_fmt\n   2: shop::db::load::{{closure}}::h0123456789abcdef\n             at ./src/db.rs:3:1\n   3: <shop::Worker as core::future::Future>::poll\n   4: tokio::runtime::task::core::Core<T,S>::poll";
    assert_eq!(key_of(text), "panic at shop::db::load at <shop::Worker as core::future::Future>::poll");
    assert_eq!(
        key_of("request failed: shop::StoreError: no\nStack backtrace:\n   0: anyhow::error::new\n   1: shop::load\n             at /app/src/a.rs:1:1"),
        "shop::StoreError at shop::load"
    );
}

#[test]
fn the_place_of_a_frame_says_whose_it_is() {
    let rust = "thread 'main' panicked at src/a.rs:1:1:\nx\nstack backtrace:\n   0: fancy_crate::get\n             at /home/me/.cargo/registry/src/x/fancy_crate-1.0.0/src/lib.rs:3:1\n   1: shop::load\n             at ./src/a.rs:1:1";
    assert_eq!(key_of(rust), "panic at shop::load");
    let go = "panic: x\n\ngoroutine 1 [running]:\nacme.com/lib.Get(0x1)\n\t/go/pkg/mod/acme.com/lib@v1.2.3/get.go:3 +0x1\nmain.run()\n\t/src/main.go:3 +0x1";
    assert_eq!(key_of(go), "panic at main.run");
}

#[test]
fn node_by_its_cause() {
    let text = "Uncaught TypeError: Cannot read properties of undefined (reading 'id')\n    at new Cart (/app/src/cart.js:10:15)\n    at async load (file:///app/src/load.mjs:3:1)\n    at Layer.handle [as handle_request] (/app/node_modules/express/lib/router/layer.js:95:5)\n    at /app/src/server.js:7:3\n    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)";
    assert_eq!(key_of(text), "TypeError at (cart.js) Cart at (load.mjs) load at (server.js) <anonymous>");
    let text = "Error: outer\n    at f (/app/x.js:1:2) {\n  [cause]: RangeError [ERR_OUT]: inner\n      at g (/app/y.js:1:2)\n}";
    assert_eq!(key_of(text), "RangeError at (y.js) g");
}

#[test]
fn php_ruby_and_dotnet() {
    let php = "PHP Fatal error:  Uncaught Shop\\OrderException: no order in /app/src/Order.php:12\nStack trace:\n#0 /app/vendor/laravel/x.php(12): Illuminate\\X->run(Object(A))\n#1 /app/src/Cart.php(55): Shop\\Cart->add(Array, 'x')\n#2 [internal function]: Shop\\Cart->{closure}()\n#3 {main}\n  thrown in /app/src/Order.php on line 12";
    assert_eq!(key_of(php), "Shop\\OrderException at (Cart.php) Shop\\Cart->add");
    let laravel = "local.ERROR: no order {\"exception\":\"[object] (Shop\\OrderException(code: 0): no order at /app/a.php:3)\n[stacktrace]\n#0 /app/a.php(3): Shop\\f()\n\"}";
    assert_eq!(key_of(laravel), "Shop\\OrderException at (a.php) Shop\\f");
    let ruby = "/app/lib/cart.rb:12:in `block in add': no item (Shop::CartError)\n\tfrom /usr/lib/ruby/3.2/set.rb:501:in `each'\n\tfrom /app/lib/cart.rb:10:in 'Cart#add'\n/app/lib/db.rb:3:in `open': refused (Errno::ECONNREFUSED)\n\tfrom /app/lib/cart.rb:1:in `load'";
    assert_eq!(key_of(ruby), "Errno::ECONNREFUSED at (db.rb) open at (cart.rb) load");
    assert_eq!(
        key_of("NoMethodError (undefined method `x' for nil):\n  \napp/models/a.rb:3:in `f'\napp/models/b.rb:4:in `g'"),
        "NoMethodError at (a.rb) f at (b.rb) g"
    );
    let dotnet = "Unhandled exception. System.InvalidOperationException: outer\r\n ---> System.ArgumentException: inner\r\n   at System.Linq.ThrowHelper.Throw()\r\n   at Shop.Cart.<AddAsync>d__3.MoveNext() in /src/Cart.cs:line 12\r\n   --- End of inner exception stack trace ---\r\n   at Shop.Api.Post(String id, Int32 n) in C:\\src\\Api.cs:line 3";
    assert_eq!(key_of(dotnet), "System.ArgumentException at Shop.Cart.<AddAsync at Shop.Api.Post");
}

#[test]
fn what_is_no_trace_has_no_key() {
    for text in [
        "",
        "connection refused",
        "java.lang.IllegalStateException: only a name",
        "meeting\nat the office (later)\nat nine",
        "one\n\tat com.acme.A.b(A.java:1)",
        "panic: nothing follows",
        "Traceback (most recent call last):",
        "note\n#1 first point\n#2 second: point",
        "stack backtrace:",
    ] {
        no_key(text);
    }
}

#[test]
fn only_the_beginning_of_a_long_record_is_looked_at() {
    let late = format!("java.lang.AException: x\n{}\n\tat com.acme.A.b(A.java:1)", "y".repeat(MOST_BYTES));
    no_key(&late);
    let many = format!("java.lang.AException: x\n{}", "\tat com.acme.A.b(A.java:1)\n".repeat(40_000));
    assert_eq!(key_of(&many), "java.lang.AException at com.acme.A.b at com.acme.A.b at com.acme.A.b");
}

#[test]
fn hostile_text_takes_no_longer_than_its_length() {
    let parts = ["Caused by: ", "at a.b(", "\n", "---> ", "::h", "$1", " in ", "', ", "(", "File \"", "panicked at '", "#1 "];
    for part in parts {
        let text = part.repeat((1 << 20) / part.len());
        for lead in ["Traceback (most recent call last):\n", "goroutine 1 [running]:\n", "stack backtrace:\n", "x\n"] {
            let whole = format!("{lead}{text}");
            let begun = std::time::Instant::now();
            let _ = key(whole.as_bytes(), text.as_bytes());
            assert!(begun.elapsed() < std::time::Duration::from_millis(500), "{part:?} after {lead:?}");
        }
    }
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n"),
        Just(" "),
        Just("\t"),
        Just("at "),
        Just("a.b("),
        Just(")"),
        Just("Caused by: "),
        Just("Suppressed: "),
        Just("java.x.YException: m"),
        Just("Traceback (most recent call last):"),
        Just("  File \"/a/b.py\", line 3, in f"),
        Just("goroutine 1 [running]:"),
        Just("panic: "),
        Just("main.f(0x1)"),
        Just("\t/a/b.go:1 +0x1"),
        Just("thread 'x' panicked at "),
        Just("src/a.rs:1:2:"),
        Just("stack backtrace:"),
        Just("   0: a::b"),
        Just("::h0123456789abcdef"),
        Just("#0 /a.php(1): f()"),
        Just("/a.rb:1:in `f': m (E)"),
        Just("| "),
        Just("---> "),
        Just("$$"),
        Just("$1"),
        Just(">d__"),
        Just("é"),
        Just(":12"),
        Just("'"),
        Just("[object] ("),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_text_is_answered(head in pieces(), more in pieces(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for (head, more) in [(head.as_bytes(), more.as_bytes()), (head.as_bytes(), bytes.as_slice()), (bytes.as_slice(), more.as_bytes())] {
            if let Some(trace) = key(head, more) {
                prop_assert!((1..=3).contains(&trace.frames.len()));
            }
        }
    }
}
