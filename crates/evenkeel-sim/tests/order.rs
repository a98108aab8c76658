//! Which server a request gets.

use std::net::SocketAddr;

use evenkeel_sim::prelude::*;

/// Who answers so many requests, each on a connection of its own.
fn answering(listen: SocketAddr, requests: usize) -> Vec<String> {
    (0..requests).map(|_| get(listen, "/").server().to_owned()).collect()
}

#[test]
fn two_servers_take_turns_over_all_workers() {
    let pool: [Origin; 2] = origins();
    let listen = free_address();
    let _lb = balancer(&two_workers(listen, &format!("servers = {}", servers(&pool))));
    assert_eq!(answering(listen, 40), ["0", "1"].repeat(20));
}

#[test]
fn three_servers_take_turns_over_all_workers() {
    let pool: [Origin; 3] = origins();
    let listen = free_address();
    let _lb = balancer(&two_workers(listen, &format!("servers = {}", servers(&pool))));
    assert_eq!(answering(listen, 30), ["0", "1", "2"].repeat(10));
}

#[test]
fn turns_are_kept_on_one_connection() {
    let pool: [Origin; 2] = origins();
    let listen = free_address();
    let _lb = balancer(&two_workers(listen, &format!("servers = {}", servers(&pool))));
    let mut client = client(listen);
    let order: Vec<String> = (0..10).map(|_| client.get("/").server().to_owned()).collect();
    assert_eq!(order, ["0", "1"].repeat(5));
}

#[test]
fn many_clients_at_once_are_split_evenly() {
    let pool: [Origin; 3] = origins();
    let listen = free_address();
    let _lb = balancer(&two_workers(listen, &format!("servers = {}", servers(&pool))));
    let report = Load::start(Plan::rush(listen, 8, 900)).finish();
    assert!(report.is_clean(), "{report}");
    assert_eq!(pool.each_ref().map(Origin::served), [300, 300, 300]);
}

#[test]
fn weights_are_kept_smoothly() {
    let [heavy, light] = &origins();
    let listen = free_address();
    let (heavy, light) = (heavy.address(), light.address());
    let pool = format!("servers = [{{ address = \"{heavy}\", weight = 3 }}, \"{light}\"]");
    let _lb = balancer(&two_workers(listen, &pool));
    let order = answering(listen, 40);
    for four in order.chunks(4) {
        assert_eq!(four.iter().filter(|server| *server == "0").count(), 3, "{order:?}");
    }
    // Smooth: not three in a row and then the other.
    assert_ne!(order[..4], ["0", "0", "0", "1"]);
}

#[test]
fn a_weight_of_zero_takes_nothing() {
    let [idle, busy] = &origins();
    let listen = free_address();
    let (idle, busy) = (idle.address(), busy.address());
    let pool = format!("servers = [{{ address = \"{idle}\", weight = 0 }}, \"{busy}\"]");
    let _lb = balancer(&two_workers(listen, &pool));
    assert_eq!(answering(listen, 6), ["1"; 6]);
}

#[test]
fn least_connections_avoids_the_busy_server() {
    let [busy, free] = &origins();
    let listen = free_address();
    let settings = format!("balance = \"least-connections\"\nservers = {}", servers([busy, free]));
    let lb = balancer(&two_workers(listen, &settings));
    busy.set(Mode::Hang);
    free.set(Mode::Hang);
    let mut waiting: Vec<Client> = (0..4).map(|_| client(listen)).collect();
    for (number, client) in (1..).zip(&mut waiting) {
        client.send("GET /waits HTTP/1.1\r\nHost: test.example\r\n\r\n");
        wait_until("it waits", PATIENCE, || busy.served() + free.served() == number);
    }
    assert_eq!((busy.served(), free.served()), (2, 2));
    free.set(Mode::Ok);
    wait_until("it is free", PATIENCE, || {
        lb.server("app", &free.address().to_string())["in_flight"] == 0
    });
    // One of its own may not yet be done with when the next one comes: still fewer than two.
    assert_eq!(answering(listen, 10), ["1"; 10]);
    busy.set(Mode::Ok);
    assert!(waiting.iter_mut().all(|client| client.answer().status == 200));
}

#[test]
fn a_backup_server_is_used_when_no_other_can_be() {
    let [first, backup] = &origins();
    let listen = free_address();
    let (one, two) = (first.address(), backup.address());
    let pool = format!("servers = [\"{one}\", {{ address = \"{two}\", backup = true }}]");
    let lb = balancer(&two_workers(listen, &pool));
    assert_eq!(answering(listen, 4), ["0"; 4]);
    first.kill();
    lb.await_health("app", one, "down");
    assert_eq!(answering(listen, 4), ["1"; 4]);
    first.set(Mode::Ok);
    lb.await_health("app", one, "up");
    assert_eq!(answering(listen, 4), ["0"; 4]);
}

#[test]
fn tcp_connections_take_turns() {
    let (one, two) = (stream_origin("0"), stream_origin("1"));
    let listen = free_address();
    let config =
        two_workers(listen, &format!("servers = [\"{}\", \"{}\"]", one.address(), two.address()));
    let _lb = balancer(&config.replace("\"http\"", "\"tcp\""));
    for turn in 0..20 {
        assert_eq!(client(listen).send("x").receive(2), format!("{}\n", turn % 2).as_bytes());
    }
}
