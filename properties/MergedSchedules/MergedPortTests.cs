using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>What is behind a port of a guest, by hand: full-speed streams behind a hub whose frames reach into the next one, and a port that sleeps.</summary>
public sealed class MergedPortTests
{
    private const ulong FrameNs = 1_000_000;
    private const ulong PatienceNs = 60_000_000_000;
    private const byte HubAddress = 5;
    private const int DeviceAddress = 9;
    private const uint StreamsAt = 0x21_0000;
    private const uint BuffersAt = 0x22_0000;
    private const int Payloads = 6;

    [Theory]
    [InlineData(MergeMethod.Software, 0, 8)]
    [InlineData(MergeMethod.Software, 4, 188)]
    [InlineData(MergeMethod.Software, 5, 100)]
    [InlineData(MergeMethod.Software, 0, 1000)]
    [InlineData(MergeMethod.Hardware, 0, 8)]
    [InlineData(MergeMethod.Hardware, 4, 188)]
    [InlineData(MergeMethod.Hardware, 5, 100)]
    [InlineData(MergeMethod.Hardware, 0, 1000)]
    public void Payloads_come_whole_with_those_that_end_in_the_next_frame_by_the_back_pointer(MergeMethod method, int start, int bytes)
    {
        List<byte> sent = [];
        int given = 0;
        ScriptedDevice device = new() { Address = DeviceAddress, Speed = UsbSpeed.Full };
        device.Gives = (_, room) =>
        {
            new Random(given++).NextBytes(room.Span[..bytes]);
            sent.AddRange(room.Span[..bytes]);
            return UsbReply.Data(UsbPid.Data0, bytes);
        };
        using MergedComputer machine = new(2, method, new() { Addresses = new() { IsOn = false } });
        machine.Host.Loop.Run(
            async () =>
            {
                PaperGuest guest = await StartBehindHub(machine, device);
                int parts = (bytes + 187) / 188;
                int completes = ((1 << (parts + 1)) - 1) << (start + 2);
                bool wraps = completes >> 8 != 0;
                int first = (int)(guest[EhciOperationalOffsets.FrameIndex] >> 3) + 5;
                for (int frame = 0; frame <= Payloads; frame++)
                {
                    // The last one only leads back to the one before.
                    bool leadsBack = wraps && frame != 0;
                    guest.Write(StreamAt(frame), new SplitIsochronousTransferDescriptor
                    {
                        Next = new() { Terminate = true },
                        Endpoint = new() { DeviceAddress = DeviceAddress, Endpoint = 4, HubAddress = HubAddress, HubPort = 1, In = true },
                        Schedule = new() { StartMask = (byte)(1 << start), CompleteMask = (byte)(completes | (completes >> 8)) },
                        State = new() { Active = true, TotalBytes = bytes, InterruptOnComplete = true, SplitTransactionState = leadsBack },
                        Page0 = new(new(BufferAt(frame))),
                        Page1 = new() { Page = (BufferAt(frame) & ~0xFFFu) + 0x1000 },
                        Back = leadsBack ? new() { Address = StreamAt(frame - 1), Type = LinkType.SplitIsochronousTransfer } : new() { Terminate = true },
                    });
                    guest.Write(PaperGuest.FrameListAt + (4 * (uint)((first + frame) & 1023)), new LinkPointer { Type = LinkType.SplitIsochronousTransfer, Address = StreamAt(frame) });
                }

                await machine.Host.Loop.Delay((Payloads + 10) * FrameNs);
                for (int frame = 0; frame < Payloads; frame++)
                {
                    SplitIsochronousState state = guest.Read<SplitIsochronousTransferDescriptor>(StreamAt(frame)).State;
                    Assert.True(state is { Active: false, TotalBytes: 0, MissedMicroframe: false, TransactionError: false, TranslatorError: false }, $"frame {frame}: {state}");
                    byte[] came = new byte[bytes];
                    Assert.True(machine.Guests[0].Cpu.TryRead(new(BufferAt(frame)), came));
                    Assert.Equal(sent.Slice(frame * bytes, bytes), came);
                }

                Assert.True(guest.Status is { TransferInterrupt: true, ErrorInterrupt: false });
            },
            PatienceNs);
        Assert.Equal(0ul, machine.Host.Faults.Total);
    }

    [Theory]
    [InlineData(MergeMethod.Software)]
    [InlineData(MergeMethod.Hardware)]
    public void A_port_sleeps_for_its_guest_alone_until_that_resumes_it_or_its_device_wakes(MergeMethod method)
    {
        using MergedComputer machine = new(2, method);
        ScriptedDevice[] devices = [new(), new()];
        for (int number = 0; number < 2; number++)
            machine.Controller.Usb.Ports[number].Plug(devices[number]);
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start();
                PaperGuest[] guests = new PaperGuest[2];
                for (int number = 0; number < 2; number++)
                {
                    guests[number] = new(machine.Guests[number], await machine.Open(number), FrameListSize.Elements1024);
                    guests[number].Run();
                    await Enable(machine, guests[number], number);
                }

                foreach (bool wakes in (bool[])[false, true])
                {
                    SetPort(guests[0], 0, new() { Enabled = true, Suspend = true });
                    Assert.True(PortOf(guests[0], 0) is { Suspend: true, Enabled: true });
                    Assert.Equal([true, false], devices.Select(static device => device.IsSuspended));
                    Assert.True(PortOf(guests[1], 1) is { Suspend: false, Enabled: true });

                    // Software cannot take suspend back by writing a zero.
                    SetPort(guests[0], 0, new() { Enabled = true });
                    Assert.True(PortOf(guests[0], 0).Suspend);
                    guests[0][EhciOperationalOffsets.UsbStatus] = 0x3F;
                    if (wakes)
                        devices[0].Port!.SignalWake();
                    else
                        SetPort(guests[0], 0, new() { Enabled = true, Suspend = true, ForceResume = true });
                    await machine.Host.Loop.Delay(20 * FrameNs);
                    Assert.True(PortOf(guests[0], 0).ForceResume);
                    Assert.Equal(wakes, guests[0].Status.PortChange);
                    SetPort(guests[0], 0, new() { Enabled = true, Suspend = true });
                    await machine.Host.Loop.Delay(3 * FrameNs);
                    Assert.True(PortOf(guests[0], 0) is { Suspend: false, ForceResume: false, Enabled: true });
                    Assert.False(devices[0].IsSuspended);
                }

                Assert.False(guests[1].Status.PortChange);
            },
            PatienceNs);
    }

    private static uint StreamAt(int frame) => StreamsAt + (64 * (uint)frame);

    // Near the end of a page: most payloads cross it.
    private static uint BufferAt(int frame) => BuffersAt + (0x2000 * (uint)frame) + 0xF80;

    private static PortStatusControl PortOf(PaperGuest guest, int port) => new(new(guest[EhciOperationalOffsets.FirstPort + (4 * port)]));

    private static void SetPort(PaperGuest guest, int port, PortStatusControl value) => guest[EhciOperationalOffsets.FirstPort + (4 * port)] = value.Raw.Value;

    private static async Task Enable(MergedComputer machine, PaperGuest guest, int port)
    {
        guest[EhciOperationalOffsets.ConfigureFlag] = 1;
        SetPort(guest, port, new() { Reset = true });
        await machine.Host.Loop.Delay(50 * FrameNs);
        SetPort(guest, port, new() { ConnectChange = true });
        while (!PortOf(guest, port).Enabled || PortOf(guest, port).Reset)
            await machine.Host.Loop.Delay(FrameNs);
        await machine.Host.Loop.Delay(5 * FrameNs);
        guest[EhciOperationalOffsets.UsbStatus] = 0x3F;
    }

    // Two guests run; the first has a hub, which a test sets up on the bus, and behind that a device that has its address already.
    private static async Task<PaperGuest> StartBehindHub(MergedComputer machine, ScriptedDevice device)
    {
        UsbHub hub = new(machine.Host.Loop);
        machine.Controller.Usb.Ports[0].Plug(hub);
        await machine.Start(new() { Without = MergeSteps.Addresses });
        PaperGuest guest = new(machine.Guests[0], await machine.Open(0), FrameListSize.Elements1024);
        guest.Run();
        new PaperGuest(machine.Guests[1], await machine.Open(1), FrameListSize.Elements1024).Run();
        await Enable(machine, guest, 0);
        UsbTestHost host = new(machine.Controller.Usb);
        host.Configure(HubAddress);
        Assert.NotNull(host.Control(HubBench.Request(StandardRequest.SetFeature, (ushort)PortFeature.Power, 1)));
        hub.Downstream[0].Plug(device);
        await machine.Host.Loop.Delay(50 * FrameNs);
        Assert.NotNull(host.Control(HubBench.Request(StandardRequest.SetFeature, (ushort)PortFeature.Reset, 1)));
        await machine.Host.Loop.Delay(20 * FrameNs);
        Assert.True(hub.StatusOf(1).Enabled);
        return guest;
    }
}
