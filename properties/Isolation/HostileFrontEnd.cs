using System.Buffers.Binary;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.UsbDevice.Spec;
using Dma.Vmm;
using static Dma.Properties.FrontEndMemory;

namespace Dma.Properties;

/// <summary>A guest that keeps to no rule, before a back end that must.</summary>
internal sealed class HostileFrontEnd : IDisposable
{
    private const int Ids = 24;
    private const int DeviceAddress = 5;
    private const int GrantMax = 20;

    // buffer_length: bits 95:80.
    private const int LengthAt = 10;
    private const uint Forged = 0xDEAD;
    private static readonly uint _places = SharedRing.CountOf(UrbRequest.Size);

    private readonly Host _host;
    private readonly FrontEndTally _tally;
    private readonly FrontEndMemory _memory;
    private readonly IHostileGround _ground;
    private readonly bool _isCrash;

    // Requests by id that have no response; null from when the guest cannot know itself what it asked for.
    private Dictionary<ushort, int>? _owed;
    private uint _made;
    private uint _answered;
    private int _address;

    /// <summary>A guest that is connected and has granted half of its buffers for writing and half of them for reading.</summary>
    /// <param name="host">The host, booted.</param>
    /// <param name="seed">What the device does, and whether the guest ends in the middle.</param>
    /// <param name="tally">Where what happens is counted.</param>
    /// <param name="ground">The back end that it is before.</param>
    public HostileFrontEnd(Host host, int seed, FrontEndTally tally, IHostileGround ground)
    {
        (_host, _tally, _memory, _isCrash, _ground) = (host, tally, new(host, tally), seed % 4 == 0, ground);
        ground.Open(_memory, seed);
        Assert.Equal(DmaRefusal.None, Call(Hypercall.ShareGrants, TablePage * PageBytes, 1));
        Connect();
    }

    /// <summary>Plays a program; after each step, and at the end, what must hold is looked at.</summary>
    public void Play(FrontEndStep[] program)
    {
        foreach (FrontEndStep step in program)
        {
            Do(step);
            Check();
        }

        // Whatever was asked for is answered in the end, unless the guest broke the ring.
        if (!_isCrash)
        {
            _host.Loop.RunFor(40_000_000);
            Check();
            (uint requests, uint responses) = _ground.Counts;
            Assert.Equal(0, _ground.Outstanding);
            Assert.Equal(requests, responses);
            Assert.True(_ground.IsBroken || _owed is null || _owed.Values.All(count => count == 0), "A request has no response.");
        }

        _tally.Add(_ground.Device, _ground.IsBroken);
        Run(() => _host.Destroy(_memory.Guest));
        Assert.Equal(0, _memory.Guest.Grants.InUse);
        _ground.AssertReturned();
        Assert.Equal((0, 0ul, 0ul), (_ground.Stack.Mapped, _ground.Stack.Allocated, _memory.Guest.PinnedPages));
        Run(() => _host.Destroy(_memory.Other));
        _ground.Close();
        Assert.Equal(0ul, _host.Frames.Pins);
    }

    public void Dispose()
    {
        _ground.Close();
        foreach (VirtualMachine machine in new[] { _memory.Guest, _memory.Other }.Where(machine => machine.IsRunning))
            Run(() => _host.Destroy(machine));
    }

    private void Do(FrontEndStep step)
    {
        Random random = new((int)(step.A ^ (step.B << 7)));
        switch (step.Kind)
        {
            case FrontEndAct.Request:
                Make(Sensible(random));
                break;
            case FrontEndAct.Noise:
                byte[] noise = new byte[UrbRequest.Size];
                random.NextBytes(noise);
                Make(noise);
                break;
            case FrontEndAct.Unlink:
                byte[] unlink = new byte[UrbRequest.Size];
                new UrbRequest { Id = (ushort)(step.A % 64), Pipe = new() { Unlink = true, Port = 1 }, UnlinkId = (ushort)(step.B % Ids) }.Write(unlink);
                Make(unlink);
                break;
            case FrontEndAct.Flood:
                for (uint count = 0; count < step.A % (2 * _places); count++)
                    Put(Sensible(random));
                Show();
                break;
            case FrontEndAct.Jump:
                _owed = null;
                _made += step.A % 5 == 0 ? step.B : step.B % 24;
                Show();
                break;
            case FrontEndAct.Grant:
                ChangeGrant(random);
                break;
            case FrontEndAct.Table:
                Assert.NotEqual(DmaRefusal.None, Call(Hypercall.ShareGrants, step.A % 32 * PageBytes, step.B % 3));
                break;
            case FrontEndAct.Rewrite:
                _owed = null;
                byte[] bytes = new byte[8];
                random.NextBytes(bytes);
                _memory.Write(step.B % 8 == 0 ? PlugPage : RingPage, (int)(step.A % (PageBytes - 8)), bytes);
                break;
            case FrontEndAct.Notify:
                _ = Call(Hypercall.NotifyUsb);
                break;
            case FrontEndAct.Reconnect:
                Assert.Equal(DmaRefusal.None, Call(Hypercall.DisconnectUsb));
                Assert.Equal((0, 0), (_memory.Guest.Grants.InUse, _ground.Stack.Mapped));
                Connect();
                break;
            case FrontEndAct.Restart:
                Restart(Sensible(random));
                break;
            case FrontEndAct.Replug:
                _ground.Replug();
                _address = 0;
                break;
            default:
                _host.Loop.RunFor(step.A % 3_000_000);
                break;
        }
    }

    // E5: all that was asked for is answered, what the back end has not seen yet as well.
    private void Restart(byte[] unseen)
    {
        if (_made - _answered < _places)
        {
            Put(unseen);
            _memory.Write(RingPage, SharedRing.RequestProducer, BitConverter.GetBytes(_made));
        }

        bool isBroken = _ground.IsBroken;
        _ground.Stop();

        // Where the back end crashed and nobody knew what it owed, one answer stands for all.
        if (!_ground.AnswersEach)
            _owed = null;
        ReadResponses();
        Assert.True(isBroken || _owed is null || _owed.Values.All(count => count == 0), "A request has no response.");
        Assert.Equal((0, 0), (_memory.Guest.Grants.InUse, _ground.Stack.Mapped));
        Assert.Equal(DmaRefusal.NotAssigned, Call(Hypercall.NotifyUsb));
        _ground.Start();
        _address = 0;
        Connect();
    }

    private void Make(byte[] entry)
    {
        // A guest that did not wait for room would break the ring at once.
        for (int tries = 0; _made - _memory.Read32(RingPage, SharedRing.ResponseProducer) >= _places; tries++)
        {
            if (tries == 3)
                return;
            _host.Loop.RunFor(1_000_000);
            ReadResponses();
        }

        Put(entry);
        Show();
    }

    private void Put(byte[] entry)
    {
        ushort id = BinaryPrimitives.ReadUInt16LittleEndian(entry);
        if (_made - _answered >= _places)
            _owed = null;
        if (_owed is not null)
            _owed[id] = _owed.GetValueOrDefault(id) + 1;
        _memory.Write(RingPage, SharedRing.OffsetOf(_made++, UrbRequest.Size), entry);
    }

    private void Show()
    {
        _memory.Write(RingPage, SharedRing.RequestProducer, BitConverter.GetBytes(_made));
        _ = Call(Hypercall.NotifyUsb);
    }

    // Most are as they should be; now and then one thing is not.
    private byte[] Sensible(Random random)
    {
        byte[] entry = new byte[UrbRequest.Size];
        (int endpoint, bool isIn, UrbType type) = random.Next(7) switch
        {
            0 => (1, true, UrbType.Bulk),
            1 => (2, false, UrbType.Bulk),
            2 => (3, true, UrbType.Interrupt),
            3 => (4, false, UrbType.Isochronous),
            4 => (5, true, UrbType.Isochronous),
            _ => (0, random.Next(2) == 0, UrbType.Control),
        };
        bool isAddress = type == UrbType.Control && random.Next(8) == 0;
        List<UrbSegment> segments = isAddress ? [] : Segments(random, isIn);
        int length = segments.Sum(segment => segment.Length);
        UrbRequest request = new()
        {
            Id = (ushort)random.Next(Ids),
            SegmentCount = (ushort)segments.Count,
            Pipe = new() { Port = !isAddress && random.Next(12) == 0 ? random.Next(32) : 1, In = isIn, Endpoint = endpoint, Type = type, Device = !isAddress && random.Next(12) == 0 ? random.Next(128) : _address },
            ShortNotOk = random.Next(3) == 0,
            Length = (ushort)length,
        };
        if (type == UrbType.Isochronous)
        {
            int packets = random.Next(1, 9);
            segments.Add(new() { Grant = AnyGrant(random, isIn: true), Offset = 0, Length = (ushort)(packets * UrbPacket.Size) });
            request = request with { PacketCount = (ushort)packets, PacketSegmentCount = 1 };
            if (random.Next(8) != 0)
                _memory.Describe(segments[^1].Grant, [.. Enumerable.Range(0, packets).Select(index => new UrbPacket { Offset = (uint)(index * (length / packets)), Length = (uint)Math.Min(length / packets, 512) })]);
        }
        else if (type == UrbType.Control)
        {
            byte ask = (byte)(isAddress ? (byte)StandardRequest.SetAddress : random.Next(16));
            int said = isAddress || random.Next(8) != 0 ? length : random.Next(2 * length);
            request = request with { Setup = new SetupPacket { In = isIn && !isAddress, Request = ask, Value = DeviceAddress, Length = (ushort)said }.Raw.Value };
            _address = isAddress ? DeviceAddress : _address;
        }

        request.Write(entry);
        for (int index = 0; index < segments.Count; index++)
            BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(UrbRequest.HeadSize + (index * UrbSegment.Size)), segments[index].Raw.Value);
        if (!isAddress && random.Next(6) == 0)
        {
            // The length is what most depends on: it is wrong more often than the rest.
            int at = random.Next(4) == 0 ? LengthAt + random.Next(sizeof(ushort)) : random.Next(entry.Length);
            entry[at] ^= (byte)(1 << random.Next(8));
        }

        return entry;
    }

    // Mostly one that was good for it in the beginning.
    private static uint AnyGrant(Random random, bool isIn) =>
        (uint)(random.Next(8) == 0 ? random.Next(GrantMax) : random.Next(1, 1 + (isIn ? Buffers / 2 : Buffers)));

    private static List<UrbSegment> Segments(Random random, bool isIn)
    {
        List<UrbSegment> segments = [];
        int count = random.Next(1, 4);
        bool isWhole = random.Next(3) != 0;
        for (int index = 0; index < count; index++)
        {
            int offset = index == 0 || !isWhole ? random.Next(PageBytes) : 0;
            int bytes = index == count - 1 || !isWhole ? random.Next(1, PageBytes + 1 - offset) : PageBytes - offset;
            segments.Add(new() { Grant = AnyGrant(random, isIn), Offset = (ushort)offset, Length = (ushort)bytes });
        }

        return segments;
    }

    private void ChangeGrant(Random random)
    {
        uint number = AnyGrant(random, isIn: false);
        GrantEntry entry = random.Next(12) switch
        {
            0 => default,
            1 => new(new((ulong)random.NextInt64())),
            2 => new() { Type = GrantType.PermitAccess, Domain = 1, Frame = (uint)random.Next(Pages) },
            3 => new() { Type = GrantType.PermitAccess, Frame = (uint)random.Next(0x200), IsReadOnly = true },
            4 or 5 or 6 => new() { Type = GrantType.PermitAccess, Frame = (uint)random.Next(Buffers), IsReadOnly = random.Next(4) == 0 },
            _ => GrantOf(number),
        };

        // Its rings and its table it may hand out to be written: its own doing, but then nothing could be told any more.
        if (entry is { Type: GrantType.PermitAccess, Domain: 0, Frame: >= Buffers and < Pages })
            entry = default;
        _memory.Grant(number, entry);
    }

    private void Connect()
    {
        _memory.Write(RingPage, 0, new byte[PageBytes]);
        _memory.Write(PlugPage, 0, new byte[PageBytes]);
        (_made, _answered, _owed) = (0, 0, []);
        Assert.Equal(DmaRefusal.NotMapped, Call(Hypercall.ConnectUsb, Forged, PlugGrant, 0x40));
        Assert.Equal(DmaRefusal.None, Call(Hypercall.ConnectUsb, RingGrant, PlugGrant, 0x40));
    }

    private void Check()
    {
        // E1: each is answered once, under its id. E4: there are never more than the ring has places.
        ReadResponses();
        Assert.InRange(_ground.Outstanding, 0, (int)_places);
        (uint requests, uint responses) = _ground.Counts;
        Assert.True(responses <= requests);

        // E3: the other VM's device is left alone. U1 and E2: nothing but what is granted is touched.
        Assert.Equal(0, _ground.OthersCalls);
        _memory.Check();
        Assert.Empty(_ground.Stack.Wrongs);
        if (_ground.Outstanding == 0)
            _memory.Settle();
    }

    private void ReadResponses()
    {
        uint given = _memory.Read32(RingPage, SharedRing.ResponseProducer);
        if (_owed is null || given - _answered > _places)
            return;
        for (; _answered != given; _answered++)
        {
            byte[] bytes = _memory.Read(RingPage, SharedRing.OffsetOf(_answered, UrbRequest.Size), 16);
            UrbResponse response = new(new(BinaryPrimitives.ReadUInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(8))));
            _tally.Add(response.Status);
            Assert.True(_owed.GetValueOrDefault(response.Id) > 0, $"{response} answers nothing that was asked.");
            _owed[response.Id]--;
        }
    }

    private DmaRefusal Call(Hypercall number, ulong argument0 = 0, ulong argument1 = 0, ulong argument2 = 0) =>
        Run(() => _memory.Guest.Cpu.Call(number, argument0, argument1, argument2)).Refusal;

    private T Run<T>(Func<ValueTask<T>> software) => _host.Loop.Run(() => software().AsTask());

    private void Run(Func<ValueTask> software) => _host.Loop.Run(() => software().AsTask());
}
