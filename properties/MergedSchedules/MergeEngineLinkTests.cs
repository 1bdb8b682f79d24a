using Dma.Hal;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Guests that guess the links by which a merge engine leads the controller.</summary>
public sealed class MergeEngineLinkTests
{
    private const ulong FrameNs = 1_000_000;
    private const ulong PatienceNs = 60_000_000_000;

    public static TheoryData<uint, string> LinksOfTheEngine()
    {
        TheoryData<uint, string> cases = [];
        foreach (uint link in (uint[])[0xFFFF_E000, 0xFFFF_F000, 0xFFFF_F100, 0xFFFF_F200, 0xFFFF_F400, 0xFFFF_F500, 0xFFFF_F600, 0xFFFF_FFE0])
        {
            foreach (string what in (string[])["next", "alternate", "current", "qTD", "periodic", "siTD", "ring"])
                cases.Add(link, what);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(LinksOfTheEngine))]
    public void A_guest_that_names_a_link_of_the_engine_reaches_nothing_by_it_and_stops_its_own_controller_alone(uint link, string what)
    {
        using MergedComputer machine = new(2, MergeMethod.Hardware);
        byte[] content = DiskReader.Content(sectors: 64);
        machine.Controller.Usb.Ports[1].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start();
                PaperGuest guest = new(machine.Guests[0], await machine.Open(0), FrameListSize.Elements1024);
                PciDevice other = await machine.Open(1);
                guest.Run();
                Task<byte[]> reading = DiskReader.ReadAll(other, 2);
                await machine.Host.Loop.Delay(5 * FrameNs);
                Name(guest, link, what);
                for (int waited = 0; !guest.Status.HostSystemError && waited < 10; waited++)
                    await machine.Host.Loop.Delay(FrameNs);
                Assert.True(guest.Status is { HostSystemError: true, Halted: true });
                Assert.Equal(content, await reading);
            },
            PatienceNs);
        Assert.Equal(machine.Host.Faults.CountOf(machine.Engine!.Lanes[0].Source), machine.Host.Faults.Total);
        Assert.Equal(0ul, machine.Sharing.StatisticsOf(machine.Guests[1]).HostSystemErrors);
    }

    private static void Name(PaperGuest guest, uint link, string what)
    {
        const uint transferAt = 0x21_0000;
        TransferLink named = new() { Address = link }, end = new() { Terminate = true };
        TransferToken active = new() { Active = true, PacketId = PacketId.In, TotalBytes = 512, ErrorCount = 3 };
        if (what is "siTD")
        {
            guest.Write(transferAt, new SplitIsochronousTransferDescriptor
            {
                Next = new() { Terminate = true },
                Schedule = new() { StartMask = 4, CompleteMask = 0x31 },
                State = new() { Active = true, TotalBytes = 8, SplitTransactionState = true },
                Endpoint = new() { In = true },
                Back = new() { Type = LinkType.SplitIsochronousTransfer, Address = link },
            });
            for (uint frame = 0; frame < 1024; frame++)
                guest.Write(PaperGuest.FrameListAt + (4 * frame), new LinkPointer { Type = LinkType.SplitIsochronousTransfer, Address = transferAt });
            return;
        }

        if (what is "ring")
        {
            guest.Write(guest.Ring[0], new LinkPointer { Type = LinkType.QueueHead, Address = link });
            return;
        }

        uint queue = what == "periodic" ? 0 : guest.AddToRing(0);
        if (what == "periodic")
        {
            guest.AddInterrupt(1, 0, 0xFF);
            queue = guest.Queues(0).First();
        }

        guest.Write(transferAt, new TransferDescriptor { Next = named, AlternateNext = end, Token = active });
        guest.Write(queue + QueueHead.CurrentOffset, what == "current" ? named : default);
        guest.Write(queue + QueueHead.OverlayOffset, new TransferDescriptor
        {
            Next = what switch { "next" or "periodic" => named, "qTD" => new() { Address = transferAt }, _ => end },
            AlternateNext = what == "alternate" ? named : end,
            Token = what == "current" ? active : default,
        });
    }
}
