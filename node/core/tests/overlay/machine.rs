//! One machine, and what is said to it.

use std::{net::Ipv4Addr, time::Duration};

use nearcast_core::{
    asn::Asn,
    id::PeerKey,
    overlay::{
        config::OverlayConfig,
        contact::{Caller, Contact, Standing},
        door::{Input, Output},
        eligible::{Consent, Facts},
        host::Host,
        membership::Membership,
        sketch::{Mark, Sketch, mark_of},
        ticket::{Ticket, Welcome},
    },
    prefix::Network,
    time::Timestamp,
};

pub(crate) const ME: PeerKey = PeerKey(0);

pub(crate) struct Machine {
    pub(crate) member: Membership,
    pub(crate) config: OverlayConfig,
    pub(crate) now: Timestamp,
}

/// Each number has an AS and a /16 of its own.
pub(crate) fn contact(number: u32) -> Contact {
    let ip = Ipv4Addr::from_bits(0x1400_0000_u32.wrapping_add(number << 16));
    Contact::new(PeerKey(number), ip.into(), Some(Asn(number + 1)))
}

pub(crate) fn contacts(numbers: std::ops::Range<u32>) -> Vec<Contact> {
    numbers.map(contact).collect()
}

/// A node of a network; each network has two hundred addresses, and each AS seven networks.
pub(crate) fn caller(number: u32, network: u32) -> Caller {
    let ip = Ipv4Addr::from_bits(0x2000_0000 + (network << 8) + number % 200);
    Caller {
        peer: PeerKey(number),
        asn: Some(Asn(network / 7 + 1)),
        network: Network::of(ip.into()),
        version: 1,
    }
}

pub(crate) fn host(config: &OverlayConfig) -> Host<'_> {
    Host { config, me: ME, identity: 1, version: 1 }
}

pub(crate) fn facts() -> Facts {
    let of = |first: u8| Network::of(Ipv4Addr::new(first, 1, 1, 1).into());
    Facts {
        consent: Consent::Auto,
        witnesses: [of(31), of(32), of(33)],
        up: Duration::from_secs(7_200),
        uplink_spare: 1 << 20,
        memory_spare: 1 << 30,
        sockets_spare: 5_000,
    }
}

pub(crate) fn ticket(room: u16) -> Ticket {
    let marks = (1..20).map(|number| Mark { mark: mark_of(number), age_seconds: 0 });
    Ticket { room, leaving: false, version: 1, sketch: Sketch::new(marks) }
}

impl Machine {
    pub(crate) fn leaf(known: &[Contact]) -> Machine {
        let config = OverlayConfig::default();
        let now = Timestamp::from_millis(10_000_000);
        let member = Membership::leaf(now, &host(&config), 7, known);
        Machine { member, config, now }
    }

    /// A leaf whose primary parent is number 1, and that may serve.
    pub(crate) fn child() -> Machine {
        let mut machine = Machine::leaf(&contacts(1..2));
        machine.hear(Input::Measured(facts()));
        machine.wake();
        machine.hear(attached(1, Standing::Primary));
        assert_eq!(machine.member.primary(), Some(contact(1)));
        machine
    }

    pub(crate) fn supernode(anchor: bool) -> Machine {
        let config = OverlayConfig::default();
        let now = Timestamp::from_millis(10_000_000);
        let member = Membership::supernode(now, &host(&config), 7, anchor, &[]);
        Machine { member, config, now }
    }

    pub(crate) fn hear(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.member.handle(self.now, &host(&self.config), input, &mut outputs);
        self.member.check(&host(&self.config));
        outputs
    }

    /// Goes on to the next wake-up.
    pub(crate) fn wake(&mut self) -> Vec<Output> {
        self.now = self.member.poll_timeout().expect("it wants to be woken").max(self.now);
        self.hear(Input::Woken)
    }

    /// Goes on for so many seconds, with an answer to each output.
    pub(crate) fn pass(
        &mut self,
        seconds: u64,
        mut answer: impl FnMut(&Output) -> Option<Input>,
    ) -> Vec<Output> {
        let end = self.now + Duration::from_secs(seconds);
        let mut all = Vec::new();
        while self.member.poll_timeout().is_some_and(|at| at <= end) {
            let mut outputs = self.wake();
            while let Some(output) = outputs.pop() {
                let input = answer(&output);
                all.push(output);
                outputs.extend(input.into_iter().flat_map(|input| self.hear(input)));
            }
        }
        self.now = end;
        all
    }

    pub(crate) fn ask(&mut self, caller: Caller, standing: Standing) -> bool {
        let outputs = self.hear(Input::Asked { caller, standing });
        match &outputs[..] {
            [Output::Welcome { .. }] => true,
            [Output::Refuse { .. }] => false,
            other => panic!("each question has one answer: {other:?}"),
        }
    }

    /// So many children, at the pace that is let in.
    pub(crate) fn serve(&mut self, children: std::ops::Range<u32>) {
        for number in children {
            self.now = self.now + Duration::from_millis(25);
            assert!(self.ask(caller(number, number), Standing::Primary), "{number}");
        }
    }

    pub(crate) fn tell(&mut self, from: u32, ticket: Ticket) -> Vec<Output> {
        self.hear(Input::Told {
            from: contact(from),
            ticket: Box::new(ticket),
            leads: Vec::new(),
            answer: false,
        })
    }
}

pub(crate) fn attached(parent: u32, standing: Standing) -> Input {
    let welcome = Welcome { ticket: ticket(100), ..Welcome::default() };
    Input::Attached { parent: PeerKey(parent), standing, welcome: Box::new(welcome) }
}
