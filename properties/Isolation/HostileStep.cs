using Dma.Hal;
using Dma.UsbDevice.Spec;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>One step of an attack; it prints as one line.</summary>
internal abstract record HostileStep
{
    private const uint QueueHeadLink = 1 << 1;
    private const uint Terminate = 1;
    private const ulong SlotBytes = 0x200;

    private static Gen<Place> Places =>
        from place in Gen.Frequency(
            (5, Gen.Constant(Where.Mapping)), (8, Gen.Constant(Where.Gone)), (2, Gen.Constant(Where.OwnMemory)), (2, Gen.Constant(Where.OwnFrames)), (4, Gen.Constant(Where.Victim)),
            (3, Gen.Constant(Where.Tables)), (1, Gen.Constant(Where.Unit)), (1, Gen.Constant(Where.Interrupts)), (1, Gen.Constant(Where.FarAway)))
        from number in Gen.Choose(0, 63)
        from offset in Gen.Frequency((3, Gen.Constant(0)), (2, Gen.Choose(0, 255).Select(value => value * 32)), (1, Gen.Choose(0, 8191)))
        select new Place(place, number, (ulong)offset);

    /// <summary>Attacks of all kinds.</summary>
    public static Gen<HostileStep> Any => Gen.Frequency(
        (12, Transfers),
        (2, from slot in Gen.Choose(0, 1) from words in Gen.ArrayOf(Word, 23) select (HostileStep)new Raw(slot, words)),
        (1, from link in Places from type in Gen.Choose(0, 3) select (HostileStep)new FrameList(link, type)),
        (8, from slot in Gen.Choose(0, 1) select (HostileStep)new StartAsync(slot)),
        (2, from list in Places select (HostileStep)new PointAsync(list)),
        (2, from list in Gen.OneOf(Places, Gen.Constant(new Place(Where.Mapping, 0, HostileGuest.PageSize))) select (HostileStep)new StartPeriodic(list)),
        (1, from segment in Gen.Elements(0u, 1u, 0x80u, uint.MaxValue) select (HostileStep)new Segment(segment)),
        (2, from offset in Gen.Choose(0, 0x60) from value in Gen.Choose(int.MinValue, int.MaxValue) select (HostileStep)new AnyRegister(offset * 4, (uint)value)),
        (1, from offset in Gen.Choose(1, 63) from value in Gen.Choose(int.MinValue, int.MaxValue) select (HostileStep)new AnyConfiguration(offset * 4, (uint)value)),
        (2, from page in Gen.Choose(0, 15) from pages in Gen.Choose(1, 3) from direction in Gen.Choose(1, 3) select (HostileStep)new MapPages(page, pages, (DmaDirection)direction)),
        (4, from number in Gen.Choose(0, 11) select (HostileStep)new UnmapPages(number)),
        (1, Gen.Constant((HostileStep)new WakeUp())),
        (10, from microframes in Gen.Choose(1, 24) select (HostileStep)new Delay(microframes)));

    private static Gen<HostileStep> Transfers =>
        from slot in Gen.Choose(0, 1)
        from buffer in Places
        from length in Gen.Choose(0, 0x5000)
        from next in Gen.Frequency((3, Gen.Constant((Place?)null)), (1, Places.Select(place => (Place?)place)))
        from isRun in Gen.Elements(true, true, true, false)
        select (HostileStep)new Transfer(slot, buffer, length, next, isRun);

    private static Gen<(Place Place, uint Low)> Word => from place in Places from low in Gen.Choose(0, 0xFFFF) select (place, (uint)low);

    public abstract void Take(HostileGuest guest);

    // Structures stand side by side in the first page, so that their device addresses are known.
    private static ulong GuestSlot(int slot) => (ulong)slot * SlotBytes;

    private static uint DeviceSlot(HostileGuest guest, int slot) => (uint)(guest.Schedules + GuestSlot(slot));

    /// <summary>The controller is reset and its port brought up again, as a driver does after a host system error.</summary>
    private sealed record WakeUp : HostileStep
    {
        public override void Take(HostileGuest guest) => guest.WakeUp();

        public override string ToString() => "wake the controller up again";
    }

    /// <summary>A control transfer that reads a descriptor of the device into a buffer: a queue head and three transfers.</summary>
    private sealed record Transfer(int Slot, Place Buffer, int Length, Place? Next, bool IsRun) : HostileStep
    {
        public override void Take(HostileGuest guest)
        {
            uint at = DeviceSlot(guest, Slot);
            ulong buffer = guest.AddressOf(Buffer);
            uint next = Next is { } place ? (uint)guest.AddressOf(place) : at;
            EndpointCharacteristics endpoint = new() { Speed = EndpointSpeed.High, ToggleFromDescriptor = true, ReclamationHead = true, MaxPacketSize = 64 };
            EndpointCapabilities capabilities = new() { Multiplier = 1, StartMask = 0xFF };
            guest.Write(GuestSlot(Slot), [(next & ~31u) | QueueHeadLink, endpoint.Raw.Value, capabilities.Raw.Value, 0, at + 0x80, Terminate, 0]);
            Put(guest, 0x80, at + 0xC0, PacketId.Setup, toggle: false, at + 0x1C0, 8);
            Put(guest, 0xC0, at + 0x100, PacketId.In, toggle: true, buffer, Length);
            Put(guest, 0x100, Terminate, PacketId.Out, toggle: true, 0, 0);
            guest.Write(GuestSlot(Slot) + 0x1C0, [0x0100_0680, 0x0040_0000]);
            if (!IsRun)
                return;
            new StartAsync(Slot).Take(guest);
            guest.Wait(3);
        }

        private void Put(HostileGuest guest, ulong offset, uint next, PacketId packet, bool toggle, ulong buffer, int length)
        {
            TransferToken token = new() { Active = true, ErrorCount = 3, PacketId = packet, TotalBytes = length, DataToggle = toggle, InterruptOnComplete = true };
            uint[] words = new uint[13];
            (words[0], words[1], words[2], words[3], words[8]) = (next, Terminate, token.Raw.Value, (uint)buffer, (uint)(buffer >> 32));
            for (uint page = 1; page < 5; page++)
                (words[3 + page], words[8 + page]) = ((uint)((buffer & ~0xFFFul) + (page << 12)), (uint)(buffer >> 32));
            guest.Write(GuestSlot(Slot) + offset, words);
        }

        public override string ToString() => $"slot {Slot}: read a descriptor, up to {Length} bytes, to {Buffer}, then {(Next is { } next ? next.ToString() : "itself")}{(IsRun ? "; run it" : "")}";
    }

    /// <summary>Words that may be anything, where a structure is expected.</summary>
    private sealed record Raw(int Slot, (Place Place, uint Low)[] Words) : HostileStep
    {
        public override void Take(HostileGuest guest) =>
            guest.Write(GuestSlot(Slot), [.. Words.Select(word => (uint)guest.AddressOf(word.Place) ^ word.Low)]);

        public override string ToString() => $"slot {Slot}: {string.Join(' ', Words.Select(word => $"{word.Place}^{word.Low:X}"))}";
    }

    /// <summary>A frame list whose elements all lead to one place.</summary>
    private sealed record FrameList(Place Link, int Type) : HostileStep
    {
        public override void Take(HostileGuest guest)
        {
            uint[] words = new uint[1024];
            Array.Fill(words, ((uint)guest.AddressOf(Link) & ~31u) | ((uint)Type << 1));
            guest.Write(HostileGuest.PageSize, words);
        }

        public override string ToString() => $"frame list: all to {Link}, type {Type}";
    }

    private sealed record StartAsync(int Slot) : HostileStep
    {
        public override void Take(HostileGuest guest)
        {
            guest.Operate(EhciOperationalOffsets.AsyncListAddress, DeviceSlot(guest, Slot));
            guest.Operate(EhciOperationalOffsets.UsbCommand, new UsbCommand { Run = true, AsyncEnable = true, InterruptThreshold = 1 }.Raw.Value);
        }

        public override string ToString() => $"run the asynchronous list at slot {Slot}";
    }

    private sealed record PointAsync(Place List) : HostileStep
    {
        public override void Take(HostileGuest guest)
        {
            guest.Operate(EhciOperationalOffsets.UsbCommand, new UsbCommand { Run = true }.Raw.Value);
            guest.Wait(2);
            guest.Operate(EhciOperationalOffsets.AsyncListAddress, (uint)guest.AddressOf(List));
            guest.Operate(EhciOperationalOffsets.UsbCommand, new UsbCommand { Run = true, AsyncEnable = true }.Raw.Value);
        }

        public override string ToString() => $"run the asynchronous list at {List}";
    }

    private sealed record StartPeriodic(Place List) : HostileStep
    {
        public override void Take(HostileGuest guest)
        {
            guest.Operate(EhciOperationalOffsets.PeriodicListBase, (uint)guest.AddressOf(List));
            guest.Operate(EhciOperationalOffsets.UsbCommand, new UsbCommand { Run = true, PeriodicEnable = true }.Raw.Value);
        }

        public override string ToString() => $"run the periodic list at {List}";
    }

    private sealed record Segment(uint Value) : HostileStep
    {
        public override void Take(HostileGuest guest) => guest.Operate(EhciOperationalOffsets.Segment, Value);

        public override string ToString() => $"segment {Value:X}h";
    }

    private sealed record AnyRegister(int Offset, uint Value) : HostileStep
    {
        public override void Take(HostileGuest guest) => guest.Store(Offset, Value);

        public override string ToString() => $"register {Offset:X}h := {Value:X8}h";
    }

    private sealed record AnyConfiguration(int Offset, uint Value) : HostileStep
    {
        public override void Take(HostileGuest guest) => guest.Configure(Offset, Value);

        public override string ToString() => $"configuration {Offset:X}h := {Value:X8}h";
    }

    private sealed record MapPages(int Page, int Pages, DmaDirection Direction) : HostileStep
    {
        public override void Take(HostileGuest guest) => guest.Map(Page, Pages, Direction);

        public override string ToString() => $"map {Pages} pages from page {Page}, {Direction}";
    }

    private sealed record UnmapPages(int Number) : HostileStep
    {
        public override void Take(HostileGuest guest) => guest.Unmap(Number);

        public override string ToString() => $"unmap mapping {Number}";
    }

    private sealed record Delay(int Microframes) : HostileStep
    {
        public override void Take(HostileGuest guest) => guest.Wait(Microframes);

        public override string ToString() => $"wait {Microframes} microframes";
    }
}
