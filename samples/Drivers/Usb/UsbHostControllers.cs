using Dma.Hal;

namespace Dma.Drivers;

/// <summary>Which driver is for which controller.</summary>
public static class UsbHostControllers
{
    private const int ClassRegister = 0x08;
    private const uint Ehci = 0x0C_03_20;
    private const uint Xhci = 0x0C_03_30;

    /// <summary>Starts a controller by the driver that its class code asks for.</summary>
    /// <exception cref="DriverException">It is neither an EHCI nor an xHCI controller, or does not start.</exception>
    public static async ValueTask<IUsbHostController> Start(IDevice device)
    {
        uint code = device.Configuration.Read(ClassRegister, 4) >> 8;
        return code switch
        {
            Ehci => await EhciDriver.Start(device),
            Xhci => await XhciDriver.Start(device),
            _ => throw new DriverException(DriverFailure.NoDriver, $"No driver here is for the class code {code:X6}h."),
        };
    }
}
