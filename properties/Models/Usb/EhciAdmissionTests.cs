using System.Runtime.InteropServices;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Schedules that are as full as the budget allows, run by the controller.</summary>
public sealed class EhciAdmissionTests
{
    private const int Frames = 8;
    private const int Rounds = 2;
    private const int TransferMax = 0x4000;

    /// <summary>An endpoint that was admitted; it is endpoint number <paramref name="Number"/> of the device of its speed.</summary>
    private sealed record Admitted(PeriodicEndpoint Endpoint, PeriodicTurns Turns, int Number)
    {
        public UsbSpeed Speed => Endpoint.Speed switch
        {
            EndpointSpeed.High => UsbSpeed.High,
            EndpointSpeed.Full => UsbSpeed.Full,
            _ => UsbSpeed.Low,
        };

        public int Device => 1 + (int)Endpoint.Speed;

        public int TurnsInFrame => Endpoint.IsSplit ? 1 : byte.PopCount(Turns.StartMask);

        public bool IsIn(int frame) => frame % Turns.FramePeriod == Turns.Frame;
    }

    private static FsCheck.Gen<PeriodicEndpoint> Endpoints =>
        from speed in Gen.Elements(EndpointSpeed.High, EndpointSpeed.High, EndpointSpeed.Full, EndpointSpeed.Low)
        from isochronous in Gen.Elements(false, true)
        from isIn in Gen.Elements(false, true)
        from share in Gen.Choose(1, 100)
        from period in Gen.Choose(0, 5)
        let isIsochronous = isochronous && speed != EndpointSpeed.Low
        let most = (speed, isIsochronous) switch
        {
            (EndpointSpeed.High, _) => 1024,
            (EndpointSpeed.Low, _) => 8,
            (_, true) => 600,
            _ => 64,
        }
        select new PeriodicEndpoint(speed, isIsochronous, isIn, Math.Max(most * share / 100, 1), 1 << Math.Max(period, speed == EndpointSpeed.High ? 0 : 3));

    [Fact]
    public void No_microframe_takes_longer_than_was_promised_and_every_turn_that_was_promised_is_had() => Property.Check(
        Gen.ArrayOf(Endpoints, 40),
        endpoints =>
        {
            PeriodicBudget budget = new(Frames);
            List<Admitted> admitted = Admit(endpoints, budget);
            Dictionary<(int, int), int> turns = [];
            using SplitBench split = new(hub: new() { PortCount = 2 });
            split.Bench.Controller.Usb.Ports[1].Plug(Device(UsbSpeed.High, admitted, turns));
            split.Bench.ResetPort(2);
            split.Attach(Device(UsbSpeed.Full, admitted, turns), 1);
            split.Attach(Device(UsbSpeed.Low, admitted, turns), 2);
            List<uint> queues = Build(split, admitted);
            WireMeter meter = new(split);
            split.Bench.Controller.Usb.Observer = meter;
            split.Run();
            split.RunTo(8 * Frames * Rounds);

            for (int microframe = 0; microframe < 8 * Frames * Rounds; microframe++)
                Assert.True(meter.BusyNs(microframe) <= budget.Loads[microframe % (8 * Frames)], $"Microframe {microframe}: {meter.BusyNs(microframe)} of {budget.Loads[microframe % (8 * Frames)]} ns.");

            // Isochronous structures are armed for the first round alone.
            foreach (Admitted one in admitted)
            {
                int expected = Frames / one.Turns.FramePeriod * one.TurnsInFrame * (one.Endpoint.IsIsochronous ? 1 : Rounds);
                Assert.True(expected == turns.GetValueOrDefault((one.Device, one.Number)), $"{one} had {turns.GetValueOrDefault((one.Device, one.Number))} turns, not {expected}.");
            }

            Assert.False(split.Bench.Status.ErrorInterrupt);
            Assert.All(queues, queue => Assert.True(split.Bench.Read<QueueHead>(queue).Overlay.Token is { Halted: false, TransactionError: false, MissedMicroframe: false, ErrorCount: 3 }));
        },
        count: 25);

    private static List<Admitted> Admit(PeriodicEndpoint[] endpoints, PeriodicBudget budget)
    {
        TranslatorBudget translator = new(Frames);
        List<Admitted> admitted = [];
        foreach (PeriodicEndpoint endpoint in endpoints)
        {
            int number = 1 + admitted.Count(other => other.Endpoint.Speed == endpoint.Speed);
            if (number > 15 || !budget.TryPlace(endpoint, endpoint.IsSplit ? translator : null, out PeriodicTurns turns))
                continue;

            // Streams that end in the next frame need back pointers, and are tested for themselves.
            if (turns.CompleteMask != 0 && int.TrailingZeroCount(turns.CompleteMask) < turns.FirstMicroframe + 2)
                budget.Remove(endpoint, translator, turns);
            else
                admitted.Add(new(endpoint, turns, number));
        }

        return admitted;
    }

    // Isochronous structures first, one for each frame; then queue heads, slow before fast, so that frames share their ends.
    private static List<uint> Build(SplitBench split, List<Admitted> admitted)
    {
        Admitted[] interrupts = [.. admitted.Where(one => !one.Endpoint.IsIsochronous).OrderByDescending(one => one.Turns.FramePeriod)];
        uint[] queues = [.. interrupts.Select(_ => split.Bench.Take(128))];
        for (int index = 0; index < interrupts.Length; index++)
        {
            Admitted one = interrupts[index];
            QueueHead head = SplitBench.Queue(one.Device, one.Number, one.Endpoint.Bytes, one.Endpoint.Speed, start: one.Turns.StartMask, complete: one.Turns.CompleteMask, port: one.Speed == UsbSpeed.Low ? 2 : 1);
            split.Bench.Write(queues[index], head with { Horizontal = NextQueue(interrupts, queues, index + 1, one.Turns.Frame) });
            split.Bench.Start(queues[index], Chain(split, one));
        }

        for (int frame = 0; frame < Frames; frame++)
        {
            LinkPointer first = NextQueue(interrupts, queues, 0, frame);
            foreach (Admitted one in admitted.Where(one => one.Endpoint.IsIsochronous && one.IsIn(frame)))
                first = one.Endpoint.IsSplit ? SplitStream(split, one, first) : Stream(split, one, first);
            for (uint element = (uint)frame; element < 1024; element += Frames)
                split.Link(element, first);
        }

        return [.. queues];
    }

    private static LinkPointer NextQueue(Admitted[] interrupts, uint[] queues, int from, int frame)
    {
        int next = Array.FindIndex(interrupts, from, one => one.IsIn(frame));
        return next < 0 ? new() { Terminate = true } : new() { Type = LinkType.QueueHead, Address = queues[next] };
    }

    // As many whole packets as there are turns, and some more.
    private static uint Chain(SplitBench split, Admitted one)
    {
        int packets = Math.Min(TransferMax / one.Endpoint.Bytes, 200);
        int count = (8 * Frames * Rounds / packets) + 2;
        uint buffer = split.Bench.Take(0x5000, 4096);
        uint[] transfers = [.. Enumerable.Range(0, count).Select(_ => split.Bench.Take(64))];
        for (int index = 0; index < count; index++)
            split.Bench.Transfer(transfers[index], one.Endpoint.In ? PacketId.In : PacketId.Out, buffer, packets * one.Endpoint.Bytes, index + 1 < count ? transfers[index + 1] : null);
        return transfers[0];
    }

    private static LinkPointer SplitStream(SplitBench split, Admitted one, LinkPointer next)
    {
        uint at = split.Stream(split.Bench.Take(0x2000, 4096), one.Endpoint.Bytes, one.Endpoint.In, one.Turns.StartMask, one.Turns.CompleteMask, device: one.Device, endpoint: one.Number);
        split.Bench.Write(at, split.Bench.Read<SplitIsochronousTransferDescriptor>(at) with { Next = next });
        return new() { Type = LinkType.SplitIsochronousTransfer, Address = at };
    }

    private static LinkPointer Stream(SplitBench split, Admitted one, LinkPointer next)
    {
        uint at = split.Bench.Take(128);
        uint buffer = split.Bench.Take(0x8000, 4096);
        Span<uint> words = stackalloc uint[IsochronousTransferDescriptor.Size64 / 4];
        words[0] = next.Raw.Value;
        for (int index = 0; index < 8; index++)
        {
            bool isActive = (one.Turns.StartMask >> index & 1) != 0;
            words[1 + index] = new IsochronousSlot { Active = isActive, Length = one.Endpoint.Bytes, PageSelect = index % 6 }.Raw.Value;
        }

        for (int page = 0; page < 7; page++)
            words[9 + page] = buffer + (uint)(page * 4096);
        words[9] |= (uint)one.Device | ((uint)one.Number << 8);
        words[10] |= (uint)one.Endpoint.Bytes | (one.Endpoint.In ? 1u << 11 : 0);
        words[11] |= 1;
        split.Bench.WriteBytes(at, MemoryMarshal.AsBytes(words));
        return new() { Type = LinkType.IsochronousTransfer, Address = at };
    }

    // Takes everything and gives as much as each endpoint can.
    private static ScriptedDevice Device(UsbSpeed speed, List<Admitted> admitted, Dictionary<(int, int), int> turns)
    {
        Dictionary<int, Admitted> mine = admitted.Where(one => one.Speed == speed).ToDictionary(one => one.Number);
        byte address = speed switch
        {
            UsbSpeed.High => 1 + (int)EndpointSpeed.High,
            UsbSpeed.Full => 1 + (int)EndpointSpeed.Full,
            _ => 1 + (int)EndpointSpeed.Low,
        };
        return new()
        {
            Address = address,
            Speed = speed,
            Takes = (token, length) =>
            {
                Assert.Equal(mine[token.Endpoint].Endpoint.Bytes, length);
                turns[(address, token.Endpoint)] = turns.GetValueOrDefault((address, token.Endpoint)) + 1;
                return mine[token.Endpoint].Endpoint.IsIsochronous ? UsbReply.Silence : UsbReply.Ack;
            },
            Gives = (token, _) =>
            {
                PeriodicEndpoint endpoint = mine[token.Endpoint].Endpoint;
                int turn = turns.GetValueOrDefault((address, token.Endpoint));
                turns[(address, token.Endpoint)] = turn + 1;
                return UsbReply.Data(!endpoint.IsIsochronous && (turn & 1) != 0, endpoint.Bytes);
            },
        };
    }

    /// <summary>Adds up what crosses the wire in each microframe.</summary>
    private sealed class WireMeter(SplitBench split) : IPacketObserver
    {
        private readonly Dictionary<int, ulong> _busy = [];

        public ulong BusyNs(int microframe) => _busy.GetValueOrDefault(microframe);

        public void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
        {
            bool isIsochronous = token.IsSplit ? token.Split.EndpointType == TransferType.Isochronous : handshake == UsbPid.None;
            int microframe = (int)((split.Bench.Loop.NowNs - split.BeganNs) / SplitBench.MicroframeNs);
            _busy[microframe] = BusyNs(microframe) + (isIsochronous ? WireTime.HighSpeedIsochronous(data.Length) : WireTime.HighSpeed(data.Length));
        }
    }
}
