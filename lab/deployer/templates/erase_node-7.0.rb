# nailgun-mcagents of Fuel 7.0, in the lab's words: disks lose their boot code and nothing else.
module MCollective
  module Agent
    class Erase_node < RPC::Agent
      action "erase_node" do
        Dir["/sys/block/*"].map { |path| File.basename(path) }.each do |disk|
          system("dd if=/dev/zero of=/dev/#{disk} bs=446 count=1 oflag=direct")
        end
        reply[:erased] = true
      end
    end
  end
end
