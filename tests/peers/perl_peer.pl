# Perl's Protocol::WebSocket as a peer of the drafts of 2010.
#   perl perl_peer.pl server               prints its port, echoes for one client, ends
#   perl perl_peer.pl client VERSION URL   exchanges some texts, ends with 0 if they came back
use strict;
use warnings;
use IO::Socket::INET;
use Protocol::WebSocket::Handshake::Client;
use Protocol::WebSocket::Handshake::Server;
use Encode qw(encode decode);

my ($role, $version, $url) = @ARGV;
binmode STDERR, ':utf8';
$| = 1;

sub more {
    my ($socket) = @_;
    my $length = sysread $socket, my $bytes, 65536;
    return $length ? $bytes : undef;
}

if ($role eq 'server') {
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die $!;
    print $listener->sockport, "\n";
    my $socket = $listener->accept;
    my $shake = Protocol::WebSocket::Handshake::Server->new;
    until ($shake->is_done) {
        my $bytes = more($socket);
        defined $bytes or die "no request\n";
        $shake->parse($bytes) or die $shake->error;
    }
    # the head first, what answers the challenge later
    my $answer = $shake->to_string;
    my $end = index($answer, "\x0d\x0a\x0d\x0a") + 4;
    syswrite $socket, substr($answer, 0, $end);
    select undef, undef, undef, 0.05;
    syswrite $socket, substr($answer, $end) if length $answer > $end;
    my $frame = $shake->build_frame(max_payload_size => 0);
    while (defined(my $bytes = more($socket))) {
        if ($bytes =~ s/\xff\x00\z//) { # the closing frame of hybi-00, which build_frame does not know
            syswrite $socket, "\xff\x00";
            last;
        }
        $frame->append($bytes);
        while (defined(my $text = $frame->next_bytes)) {
            my $echo = $shake->build_frame(buffer => $text, max_payload_size => 0)->to_bytes;
            for (my $at = 0; $at < length $echo;) { $at += syswrite $socket, $echo, 65536, $at }
        }
    }
} else {
    my ($host, $port) = $url =~ m{//([^:/]+):(\d+)} or die $url;
    my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port) or die $!;
    my $shake = Protocol::WebSocket::Handshake::Client->new(url => $url, version => $version);
    $shake->req->origin("http://$host:$port");
    syswrite $socket, $shake->to_string;
    until ($shake->is_done) {
        my $bytes = more($socket);
        defined $bytes or die "no answer\n";
        $shake->parse($bytes) or die $shake->error;
    }
    my $frame = $shake->build_frame(max_payload_size => 0);
    for my $text ('x', "\x{3ba}\x{1d11e}", 'y' x 126, 'z' x 70000) {
        my $bytes = $shake->build_frame(buffer => encode('UTF-8', $text), max_payload_size => 0)->to_bytes;
        for (my $at = 0; $at < length $bytes;) { $at += syswrite $socket, $bytes, 65536, $at }
        my $reply;
        until (defined($reply = $frame->next_bytes)) {
            my $more = more($socket);
            defined $more or die "connection lost\n";
            $frame->append($more);
        }
        decode('UTF-8', $reply) eq $text or die "wrong echo of a text of " . length($text) . "\n";
    }
}
