using System.Diagnostics;
using System.Net.Sockets;
using Dma.Lab;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>The qtest server and clients that leave, stall, flood it or say nothing: each costs its own connection and no more.</summary>
public sealed class QtestServerTests : IDisposable
{
    private readonly TemporaryFile _path = new();
    private readonly ScriptedMachine _machine = new(new() { RamBytes = 64 << 20 });
    private readonly CancellationTokenSource _stop = new();
    private Task _server = Task.CompletedTask;

    public void Dispose()
    {
        _stop.Cancel();
        Assert.True(_server.Wait(TimeSpan.FromSeconds(30)));
        Assert.True(_server.IsCompletedSuccessfully);
        Assert.False(Path.Exists(_path.Path));
        _stop.Dispose();
        _machine.Dispose();
        _path.Dispose();
    }

    [Fact]
    public void Clients_come_one_after_another_and_side_by_side_to_the_same_machine()
    {
        Serve(TimeSpan.FromSeconds(30));
        using (QtestWire first = QtestWire.Connect(_path.Path))
            _ = first.Do("writeq 0x1000 7");
        using QtestWire silent = QtestWire.Connect(_path.Path);
        using QtestWire second = QtestWire.Connect(_path.Path);
        Assert.Equal(7ul, second.Number("readq 0x1000"));
        _ = silent.Do("writeq 0x1000 8");
        Assert.Equal(8ul, second.Number("readq 0x1000"));
    }

    [Fact]
    public void More_clients_than_are_served_wait_until_one_leaves()
    {
        Serve(TimeSpan.FromSeconds(30));
        List<QtestWire> served = [];
        for (int client = 0; client < QtestServer.ClientsMax; client++)
        {
            served.Add(QtestWire.Connect(_path.Path));
            Assert.Equal("little", served[^1].Do("endianness"));
        }

        using QtestWire waiting = QtestWire.Connect(_path.Path);
        waiting.Send("endianness\n");
        Assert.Equal("little", served[3].Do("endianness"));
        served[3].Dispose();
        Assert.Equal("OK little", waiting.Receive());
        served.ForEach(client => client.Dispose());
    }

    [Fact]
    public void Who_ends_its_own_direction_still_gets_every_answer()
    {
        Serve(TimeSpan.FromSeconds(30));
        using QtestWire client = QtestWire.Connect(_path.Path);
        client.Send(string.Concat(Enumerable.Repeat("read 0 65536\n", 100)) + "clock_step 5000\nclock_");
        client.EndSending();
        for (int answer = 0; answer < 100; answer++)
            Assert.Equal(5 + (2 * 65536), client.Receive()!.Length);
        Assert.Equal("OK 5000", client.Receive());
        Assert.Null(client.Receive());
    }

    [Fact]
    public void Who_vanishes_in_the_middle_of_anything_is_forgotten()
    {
        Serve(TimeSpan.FromSeconds(30));
        foreach (string rest in (string[])["writeq 0x1000 1", "read 0 1000000\nread 0 1000000\nread", "\0\0\0", ""])
        {
            using QtestWire client = QtestWire.Connect(_path.Path);
            client.Send(rest);
        }

        using QtestWire next = QtestWire.Connect(_path.Path);
        Assert.Equal(0ul, next.Number("readq 0x1000"));
    }

    [Fact]
    public void Who_does_not_take_its_answers_is_dropped_and_nobody_else_waits_for_it()
    {
        Serve(TimeSpan.FromMilliseconds(300));
        using QtestWire stalled = QtestWire.Connect(_path.Path);
        stalled.Send(string.Concat(Enumerable.Repeat("read 0 1000000\n", 50)));
        using QtestWire other = QtestWire.Connect(_path.Path);
        Stopwatch watch = Stopwatch.StartNew();
        while (watch.Elapsed < TimeSpan.FromSeconds(1))
            Assert.Equal("little", other.Do("endianness"));
        int received = 0;
        try
        {
            while (stalled.Receive() is not null)
                received++;
        }
        catch (IOException)
        {
            // Reset, since lines of its own were still unread.
        }

        Assert.True(received < 50);
    }

    [Fact]
    public void Who_never_ends_a_line_is_dropped()
    {
        Serve(TimeSpan.FromSeconds(30));
        using QtestWire client = QtestWire.Connect(_path.Path);
        string block = new('x', 1 << 20);
        try
        {
            for (int sent = 0; sent <= QtestClient.LineMax; sent += block.Length)
                client.Send(block);
            Assert.Equal("FAIL the line is too long", client.Receive());
            Assert.Null(client.Receive());
        }
        catch (IOException)
        {
            // Closed while the rest was on its way.
        }

        using QtestWire next = QtestWire.Connect(_path.Path);
        Assert.Equal("little", next.Do("endianness"));
    }

    [Fact]
    public void A_long_step_ends_with_the_client_that_wanted_it()
    {
        Serve(TimeSpan.FromSeconds(30));
        ScheduledEvent? tick = null;
        tick = new(() =>
        {
            Thread.SpinWait(100);
            _machine.Loop.Schedule(1000, tick!);
        });
        _machine.Loop.Schedule(1000, tick);
        using QtestWire watcher = QtestWire.Connect(_path.Path);
        Assert.Equal("1000", watcher.Do("clock_step"));
        using (QtestWire client = QtestWire.Connect(_path.Path))
        {
            client.Send("clock_step 9000000000000000000\n");
            Assert.True(SpinWait.SpinUntil(() => _machine.Loop.NowNs > 1000, TimeSpan.FromSeconds(10)));
        }

        // Others had their turns meanwhile; and with nobody to wait for it, it ends.
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                ulong before = Ask();
                Thread.Sleep(50);
                return Ask() == before;
            },
            TimeSpan.FromSeconds(20)));

        ulong Ask()
        {
            Assert.Equal("little", watcher.Do("endianness"));
            return _machine.Loop.NowNs;
        }
    }

    private void Serve(TimeSpan patience)
    {
        Assert.True(QtestSocket.TryListen(_path.Path, out Socket? listener, out _));
        QtestServer server = new(_machine, new(_machine.Loop, isRealTime: false)) { Patience = patience };
        _server = Task.Factory.StartNew(
            () =>
            {
                using (listener)
                    server.Listen(listener, _stop.Token);
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
    }
}
