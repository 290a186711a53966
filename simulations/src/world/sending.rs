//! Runs on their way: asked for, sent, lost, refused.

use std::time::Duration;

use nearcast_core::{
    id::{PeerKey, RequestId, UploadId},
    input::{COMING_AFTER, Event, RunFailure},
    layout::RunIndex,
    message::Refusal,
};

use super::{
    World,
    event::Happening,
    uplink::{Out, Upload},
};

/// When somebody notices that an answer is lost.
const LOSS_NOTICED: Duration = Duration::from_secs(1);

impl World {
    pub(super) fn request(
        &mut self,
        me: PeerKey,
        peer: PeerKey,
        request: RequestId,
        (run, exact): (RunIndex, bool),
    ) {
        if !self.are_linked(me, peer) {
            return self.tell(me, Event::RunFailed { peer, request, cause: RunFailure::Silent });
        }
        self.peer_mut(me).note_request(peer);
        // The number is given here, so that what crosses is small.
        let upload = self.peer_mut(peer).note_asked(request);
        self.cross(me, peer, Happening::Wanted { from: me, upload, run, exact });
    }

    pub(super) fn wanted(
        &mut self,
        me: PeerKey,
        from: PeerKey,
        upload: UploadId,
        (run, exact): (RunIndex, bool),
    ) {
        if self.are_linked(me, from) {
            self.event(me, from, Event::RunWanted { peer: from, upload, run, exact });
        } else {
            self.peer_mut(me).take_asked(upload);
        }
    }

    pub(super) fn cancel(&mut self, me: PeerKey, peer: PeerKey, request: RequestId) {
        // A request held back by a clog cannot be cancelled: it is answered late, when it arrives,
        // and not again.
        if self.are_clogged(me, peer) {
            return;
        }
        let server = &mut self.peers[peer.0 as usize];
        let mut uplink = std::mem::take(&mut server.uplink);
        let withdrawn =
            uplink.withdraw(me, |upload: &Upload| server.request_of(upload.upload) == Some(request));
        server.uplink = uplink;
        if let Some(Upload { upload, run, .. }) = withdrawn {
            server.take_asked(upload);
            self.schedule(self.now, peer, Happening::Ended { to: me, run, whole: false });
        }
    }

    pub(super) fn refuse(&mut self, me: PeerKey, peer: PeerKey, upload: UploadId, why: Refusal) {
        let Some(request) = self.peer_mut(me).take_asked(upload) else { return };
        let cause = RunFailure::Refused(why);
        self.cross(me, peer, Event::RunFailed { peer: me, request, cause });
    }

    /// A choked peer gets only the run that is on its way already.
    pub(super) fn refuse_waiting(&mut self, me: PeerKey, peer: PeerKey) {
        while let Some(Upload { upload, run, .. }) = self.peer_mut(me).uplink.withdraw(peer, |_| true) {
            self.schedule(self.now, me, Happening::Ended { to: peer, run, whole: false });
            self.refuse(me, peer, upload, Refusal::Choked);
        }
    }

    pub(super) fn serve(&mut self, me: PeerKey, to: PeerKey, upload: UploadId, run: RunIndex) {
        let (now, bytes) = (self.now, self.layout.run_length(run));
        self.peer_mut(me).uplink.push(now, Upload { to, upload, run, bytes });
        self.plan_sending(me);
    }

    /// Nothing more is sent to a peer whose link is gone.
    pub(super) fn stop_sending(&mut self, me: PeerKey, to: PeerKey) {
        let now = self.now;
        self.stop_flow(me, to);
        for Upload { upload, run, .. } in self.peer_mut(me).uplink.drop_peer(now, to) {
            self.peer_mut(me).take_asked(upload);
            self.schedule(now, me, Happening::Ended { to, run, whole: false });
        }
        self.plan_sending(me);
    }

    /// Schedules the moment at which the next run of an uplink is out.
    pub(super) fn plan_sending(&mut self, me: PeerKey) {
        let begun = self.peer_mut(me).uplink.take_begun();
        for (to, upload) in begun {
            self.begin_flow(me, to);
            if let Some(request) = self.peer(me).request_of(upload) {
                self.cross_after(COMING_AFTER, me, to, Happening::Coming { from: me, upload, request });
            }
        }
        let peer = self.peer_mut(me);
        let Some(at) = peer.uplink.next_done() else { return };
        if let Some(plan) = peer.uplink.plan(at) {
            self.schedule(at, me, Happening::Sent { plan });
        }
    }

    /// A run began to come a moment ago. If it is whole by now, there is nothing to say.
    pub(super) fn coming(&mut self, me: PeerKey, from: PeerKey, upload: UploadId, request: RequestId) {
        if self.peer(from).uplink.is_on_way(me, upload) {
            self.event(me, from, Event::Coming { peer: from, request });
        }
    }

    pub(super) fn finish_sending(&mut self, me: PeerKey, plan: u32) {
        let now = self.now;
        let peer = self.peer_mut(me);
        if !peer.uplink.is_planned(plan) {
            return;
        }
        for out in peer.uplink.take_done(now) {
            self.note_sent(me, out);
        }
        self.plan_sending(me);
    }

    pub(super) fn note_sent(
        &mut self,
        me: PeerKey,
        Out { upload: Upload { to, upload, run, bytes }, begun }: Out,
    ) {
        let now = self.now;
        let peer = self.peer_mut(me);
        peer.uploaded_bytes += u64::from(bytes);
        let corrupt = peer.role.corrupt;
        let Some(request) = peer.take_asked(upload) else {
            self.lost_bytes += u64::from(bytes);
            return;
        };
        let through = self.pass_links(me, to, begun, bytes);
        if self.config.loss > 0.0 && self.random.unit() < self.config.loss {
            self.lost_bytes += u64::from(bytes);
            let cause = RunFailure::Refused(Refusal::Busy);
            self.schedule(now + LOSS_NOTICED, to, Event::RunFailed { peer: me, request, cause });
        } else if corrupt {
            self.lost_bytes += u64::from(bytes);
            let cause = RunFailure::Corrupt { bytes };
            self.cross_after(through, me, to, Event::RunFailed { peer: me, request, cause });
        } else {
            self.air_bytes += u64::from(bytes);
            self.cross_after(through, me, to, Happening::Stored { from: me, request, run });
        }
        self.schedule(now, me, Happening::Ended { to, run, whole: true });
    }
}
