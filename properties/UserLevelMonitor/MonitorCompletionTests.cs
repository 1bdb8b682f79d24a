using Dma.Drivers;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Interrupts of modelled controllers that come too early, or whose status went to another page, are found (U3).</summary>
public sealed class MonitorCompletionTests
{
    private const ulong PageBytes = 4096;
    private const ulong FirstPage = 256;
    private const ulong Pages = 32;
    private const ulong LookNs = 50_000;
    private const ulong Begun = 10;
    private static readonly SourceId s_place = new(0, 4, 0);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_model_that_interrupts_before_it_has_written_status_is_found(bool isHasty)
    {
        using SingleDeviceWorld world = new("ehci");
        world.Host.Loop.Run(async () =>
        {
            EmulatedUsbController emulated = await Plug(world, new(), loop => isHasty ? new HastyEhci(loop) : new EhciController(loop));
            Assert.Equal(world.Contents[0], await SingleDeviceWorld.ReadByGuest(emulated));
        });
        Assert.True(world.Models.Interrupts > 10);
        Assert.Equal(isHasty, world.Models.Premature != 0);
        Assert.Equal(0ul, world.Models.Unseen);
    }

    [Theory]
    [InlineData(ShootDown.Flushed)]
    [InlineData(ShootDown.None)]
    public void Status_that_goes_to_a_page_which_the_guest_has_no_more_is_found(ShootDown shootDown)
    {
        using SingleDeviceWorld world = new("xhci");
        world.Host.Loop.Run(async () =>
        {
            EmulatedUsbController emulated = await Plug(world, new() { ShootDown = shootDown }, static loop => new XhciController(loop));

            // One page at a time: without any of its rings the controller would have nothing to tell.
            for (ulong page = FirstPage; page < FirstPage + Pages; page++)
            {
                Task<bool> reading = Read(emulated);
                ulong begun = world.Models.Interrupts + Begun;
                while (world.Models.Interrupts < begun && !reading.IsCompleted)
                    await world.Host.Loop.Delay(LookNs);
                Assert.Equal(PageRefusal.None, await emulated.Machine.Mover.Move(new(page * PageBytes)));
                Assert.True(await reading || shootDown == ShootDown.None);
            }
        });
        Assert.True(world.Models.Interrupts > 10);
        Assert.Equal(shootDown == ShootDown.None, world.Models.Unseen != 0);
    }

    private static async Task<EmulatedUsbController> Plug(SingleDeviceWorld world, MonitorOptions options, Func<EventLoop, PciFunction> create)
    {
        await world.Start();
        UserLevelMonitor monitor = new(world.Host.CreateMachine("VM", 4 << 20), options);
        EmulatedUsbController emulated = new(monitor.Machine, create(world.Host.Loop), s_place, monitor: monitor);
        Assert.True(await world.Assignments[0].Assign(emulated));
        return emulated;
    }

    // A driver that does not find what it waits for gives up.
    private static async Task<bool> Read(EmulatedUsbController emulated)
    {
        try
        {
            _ = await SingleDeviceWorld.ReadByGuest(emulated);
            return true;
        }
        catch (DriverException)
        {
            return false;
        }
    }
}
